#include "reports/report.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "reports/chart.h"

namespace mpsearch {
namespace {

Plan small_plan() {
  Plan plan;
  plan.model.name = "net <&>.onnx";
  plan.budget_bytes = 2 << 20;
  plan.layers.resize(2);
  plan.layers[0].name = "<script>alert(1)</script>";
  plan.layers[1].name = "fc";
  plan.layers[1].precision = Precision::FP8;
  plan.timeline.resize(3);
  for (std::size_t i = 0; i < 3; ++i) plan.timeline[i].bytes = static_cast<std::int64_t>(i) << 20;
  return plan;
}

TEST(Report, EscapesEveryTextOfTheModel) {
  const std::string html = report_html(small_plan(), {});
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(html.find("net &lt;&amp;&gt;.onnx"), std::string::npos);
}

TEST(Report, IsSelfContained) {
  const std::string html = report_html(small_plan(), {});
  for (const char* reference : {"http:", "https:", "src=", "url(", "@import", "<link"}) {
    EXPECT_EQ(html.find(reference), std::string::npos) << reference;
  }
  EXPECT_NE(html.find("prefers-color-scheme:dark"), std::string::npos);
}

TEST(Report, MarksSkippedStepsAndLeavesOutWhatIsNotFinite) {
  ReportRun run;
  run.name = "run";
  run.log.steps.resize(3);
  for (std::size_t i = 0; i < 3; ++i) {
    run.log.steps[i].step = static_cast<std::int64_t>(i) + 1;
    run.log.steps[i].loss = 1.0 / (1.0 + static_cast<double>(i));
  }
  run.log.steps[1].loss = std::numeric_limits<double>::infinity();
  run.log.steps[1].skipped = true;
  const std::string html = report_html(std::nullopt, {run});
  EXPECT_NE(html.find("<circle class=mark"), std::string::npos);
  EXPECT_EQ(html.find("inf"), std::string::npos);
}

TEST(Chart, DrawsAtMostAThousandPointsAndKeepsTheHighest) {
  Chart chart;
  for (int i = 0; i < 10000; ++i) {
    chart.points.push_back({static_cast<double>(i), i == 4321 ? 100.0 : 1.0});
  }
  const std::string svg = chart_svg(chart);
  EXPECT_LT(std::count(svg.begin(), svg.end(), ','), 1100);
  // The scale reaches beyond the highest value only if that value is drawn: 5 % above 100.
  EXPECT_NE(svg.find(">100</text>"), std::string::npos);
  EXPECT_EQ(chart_svg({.points = {{0, std::nan("")}}}), "");
}

}  // namespace
}  // namespace mpsearch
