// Line charts as inline SVG, styled by the report's sheet. Used by report.cpp alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mpsearch {

struct Chart {
  struct Point {
    double x = 0;
    double y = 0;
  };
  std::string x_title = {};
  std::string y_title = {};
  std::vector<Point> points = {};    // x never falls; points that are not finite are left out
  bool area = false;                 // filled from 0
  bool dots = false;                 // one at each point
  std::optional<double> limit = {};  // a horizontal line
  std::vector<double> marks = {};    // x of dots on the axis
};

/// The chart, or an empty text where no point is finite. At most 1000 points are drawn: of each
/// group of neighbours the highest.
std::string chart_svg(const Chart& chart);

/// The text with &, <, > and quotes escaped.
std::string escape_html(std::string_view text);

}  // namespace mpsearch
