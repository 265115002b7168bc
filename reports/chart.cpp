#include "reports/chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace mpsearch {
namespace {

constexpr double kWidth = 960, kHeight = 260;
constexpr double kLeft = 64, kRight = 12, kTop = 30, kBottom = 40;
constexpr std::size_t kMostPoints = 1000;

std::vector<Chart::Point> thinned(const std::vector<Chart::Point>& points) {
  std::vector<Chart::Point> finite;
  for (const Chart::Point& point : points) {
    if (std::isfinite(point.x) && std::isfinite(point.y)) finite.push_back(point);
  }
  const std::size_t group = (finite.size() + kMostPoints - 1) / kMostPoints;
  if (group <= 1) return finite;
  std::vector<Chart::Point> out;
  for (std::size_t i = 0; i < finite.size(); i += group) {
    const auto first = finite.begin() + static_cast<std::ptrdiff_t>(i);
    const auto last =
        finite.begin() + static_cast<std::ptrdiff_t>(std::min(i + group, finite.size()));
    out.push_back(*std::max_element(
        first, last, [](const Chart::Point& a, const Chart::Point& b) { return a.y < b.y; }));
  }
  return out;
}

/// 1, 2 or 5 times a power of ten: about `count` of them cover `range`.
double tick_step(double range, int count) {
  const double rough = range / count;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  const double digit = rough / power;
  return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string chart_svg(const Chart& chart) {
  const std::vector<Chart::Point> points = thinned(chart.points);
  if (points.empty()) return {};
  double low = 0;
  double high = chart.limit.value_or(0);
  for (const Chart::Point& point : points) {
    low = std::min(low, point.y);
    high = std::max(high, point.y);
  }
  if (high <= low) high = low + 1;
  high += 0.05 * (high - low);
  const double first = points.front().x;
  const double last = std::max(points.back().x, first + 1);
  const auto x_of = [&](double x) {
    return kLeft + (x - first) / (last - first) * (kWidth - kLeft - kRight);
  };
  const auto y_of = [&](double y) {
    return kHeight - kBottom - (y - low) / (high - low) * (kHeight - kTop - kBottom);
  };
  std::string out = fmt::format("<svg viewBox=\"0 0 {} {}\" role=img aria-label=\"{}\">\n", kWidth,
                                kHeight, escape_html(chart.y_title));
  const double step = tick_step(high - low, 5);
  for (double tick = std::ceil(low / step) * step; tick <= high; tick += step) {
    out += fmt::format(
        "<line class=grid x1={0} x2={1} y1={2:.1f} y2={2:.1f} /><text x={3} y={4:.1f} "
        "text-anchor=end>{5:.4g}</text>\n",
        kLeft, kWidth - kRight, y_of(tick), kLeft - 6, y_of(tick) + 4, tick);
  }
  std::string path;
  for (const Chart::Point& point : points) {
    path += fmt::format("{:.1f},{:.1f} ", x_of(point.x), y_of(point.y));
  }
  if (chart.area) {
    out += fmt::format("<polygon class=area points=\"{:.1f},{:.1f} {}{:.1f},{:.1f}\" />\n",
                       x_of(points.front().x), y_of(0), path, x_of(points.back().x), y_of(0));
  }
  out += fmt::format("<polyline class=curve points=\"{}\" />\n", path);
  if (chart.limit) {
    out += fmt::format("<line class=limit x1={0} x2={1} y1={2:.1f} y2={2:.1f} />\n", kLeft,
                       kWidth - kRight, y_of(*chart.limit));
  }
  for (const Chart::Point& point : chart.dots ? points : std::vector<Chart::Point>()) {
    out +=
        fmt::format("<circle class=dot cx={:.1f} cy={:.1f} r=4 />\n", x_of(point.x), y_of(point.y));
  }
  for (const double x : chart.marks) {
    out += fmt::format("<circle class=mark cx={:.1f} cy={:.1f} r=3 />\n", x_of(x), y_of(low));
  }
  out += fmt::format(
      "<text x={} y={}>{}</text><text x={} y={} text-anchor=end>{} {:.6g} to "
      "{:.6g}</text>\n</svg>\n",
      4, 14, escape_html(chart.y_title), kWidth - kRight, kHeight - 8, escape_html(chart.x_title),
      first, points.back().x);
  return out;
}

}  // namespace mpsearch
