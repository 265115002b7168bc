#include "reports/report.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

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

Profile small_profile() {
  Profile profile;
  for (const std::string name : {"<script>alert(1)</script>", "fc"}) {
    for (const Precision precision : kPrecisions) {
      LayerProfile entry;
      entry.name = name;
      entry.precision = precision;
      entry.sensitivity = 1e-9 * std::pow(10, static_cast<int>(precision));
      if (precision == Precision::FP16) entry.excluded = "<too> large";
      profile.layers.push_back(entry);
    }
  }
  return profile;
}

ReportRun small_run() {
  ReportRun run;
  run.name = "a<b>.run.ndjson";
  run.log.steps.resize(4);
  for (std::size_t i = 0; i < 4; ++i) {
    run.log.steps[i].step = static_cast<std::int64_t>(i) + 1;
    run.log.steps[i].loss = 1.0 / (1.0 + static_cast<double>(i));
    run.log.steps[i].loss_scale = i < 2 ? 65536 : 32768;
  }
  run.log.steps[2].skipped = true;
  run.log.epochs.resize(1);
  run.log.end.emplace().reason = "finished";
  return run;
}

/// The first tag that is closed and not open, or open at the end; empty where all balance.
std::string unbalanced_tag(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const std::string tag = html.substr(at + 1, html.find('>', at) - at - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    if (name == "!doctype" || name == "meta" || tag.back() == '/') continue;
    if (name[0] != '/') {
      open.push_back(name);
    } else if (!open.empty() && "/" + open.back() == name) {
      open.pop_back();
    } else {
      return name;
    }
  }
  return open.empty() ? "" : open.back();
}

TEST(Report, ClosesEveryTagThatItOpens) {
  ASSERT_EQ(unbalanced_tag("<p><b>x</b></p>"), "");
  ASSERT_EQ(unbalanced_tag("<p><b>x</p>"), "/p");
  EXPECT_EQ(unbalanced_tag(report_html({.plan = small_plan(),
                                        .profile = small_profile(),
                                        .front = {small_plan(), small_plan()},
                                        .runs = {small_run()}})),
            "");
  EXPECT_EQ(unbalanced_tag(report_html({.runs = {small_run()}})), "");
  EXPECT_EQ(unbalanced_tag(report_html({.plan = Plan()})), "");
}

TEST(Report, ShowsEveryLayerInTheTableAndOnTheMap) {
  Plan plan = small_plan();
  plan.layers.resize(40);
  for (std::size_t i = 0; i < 40; ++i) {
    plan.layers[i].name = "layer-" + std::to_string(i);
    plan.layers[i].reason = "why-" + std::to_string(i);
  }
  const std::string html = report_html({.plan = plan});
  for (const PlannedLayer& layer : plan.layers) {
    EXPECT_NE(html.find("<td>" + layer.name + "</td>"), std::string::npos) << layer.name;
    EXPECT_NE(html.find(">" + layer.name + "</span>"), std::string::npos) << layer.name;
    EXPECT_NE(html.find("<td>" + layer.reason + "</td>"), std::string::npos) << layer.reason;
  }
}

TEST(Report, ShowsTheSensitivityOfEachLayerInEachPrecisionAndFramesThePlan) {
  const std::string html = report_html({.plan = small_plan(), .profile = small_profile()});
  // Least and greatest score are the ends of the scale; what is excluded says why.
  EXPECT_NE(html.find("style=\"--s:0.05\">1.0e-09</td>"), std::string::npos);
  EXPECT_NE(html.find("<td class=\"n chosen\" style=\"--s:1.00\">1.0e-06</td>"), std::string::npos);
  EXPECT_NE(html.find("title=\"&lt;too&gt; large\">-</td>"), std::string::npos);
}

TEST(Report, DrawsADotForEachPlanOfAFront) {
  std::vector<Plan> front(3, small_plan());
  for (std::size_t i = 0; i < 3; ++i) front[i].peak_bytes = static_cast<std::int64_t>(3 - i) << 20;
  const std::string html = report_html({.front = front});
  std::size_t dots = 0;
  for (std::size_t at = 0; (at = html.find("<circle class=dot", at)) != std::string::npos; ++at)
    ++dots;
  EXPECT_EQ(dots, 6U);  // in two charts
}

TEST(Report, DrawsTheLossScaleOnlyWhereItIsUsed) {
  ReportRun run = small_run();
  EXPECT_NE(report_html({.runs = {run}}).find("loss scale"), std::string::npos);
  for (RunStep& step : run.log.steps) step.loss_scale = 1;
  EXPECT_EQ(report_html({.runs = {run}}).find("loss scale"), std::string::npos);
}

TEST(Report, SaysFirstThatDataAreMadeUp) {
  Plan plan = small_plan();
  EXPECT_EQ(report_html({.plan = plan, .runs = {small_run()}}).find("made up"), std::string::npos);
  plan.settings.data = "synthetic";
  const std::string banner = "<p class=warn>The data are made up at random: sensitivities say";
  EXPECT_NE(report_html({.plan = plan}).find(banner), std::string::npos);
  EXPECT_NE(report_html({.front = {small_plan(), plan}}).find(banner), std::string::npos);
  Profile profile = small_profile();
  profile.settings.data = "synthetic";
  EXPECT_NE(report_html({.profile = profile}).find(banner), std::string::npos);
  ReportRun run = small_run();
  run.log.header.settings.data = "synthetic";
  EXPECT_NE(report_html({.plan = plan, .runs = {run}})
                .find("made up at random: sensitivities, losses and metrics say"),
            std::string::npos);
}

TEST(Report, IsTheSameTextForTheSameData) {
  EXPECT_EQ(report_html({.plan = small_plan(),
                         .profile = small_profile(),
                         .front = {small_plan(), small_plan()},
                         .runs = {small_run()}}),
            report_html({.plan = small_plan(),
                         .profile = small_profile(),
                         .front = {small_plan(), small_plan()},
                         .runs = {small_run()}}));
}

TEST(Report, EscapesEveryTextOfTheModel) {
  const std::string html = report_html({.plan = small_plan(), .profile = small_profile()});
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("&lt;script&gt;"), std::string::npos);
  EXPECT_NE(html.find("net &lt;&amp;&gt;.onnx"), std::string::npos);
  EXPECT_NE(report_html({.runs = {small_run()}}).find("Training: a&lt;b&gt;.run.ndjson"),
            std::string::npos);
}

TEST(Report, IsSelfContained) {
  const std::string html = report_html({.plan = small_plan(), .profile = small_profile()});
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
  const std::string html = report_html({.runs = {run}});
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
