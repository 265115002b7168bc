#include "reports/report.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "reports/chart.h"

namespace mpsearch {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--faint:#59636e;--line:#d8dee4;
--FP32:#4269d0;--BF16:#2b7d3b;--FP16:#efb118;--FP8:#c93a3f}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--faint:#9aa4ae;
--line:#30363d}.curve,.dot,.limit{filter:brightness(1.35)}}
@media print{:root{color-scheme:light;--ink:#000;--paper:#fff;--faint:#444;--line:#bbb}
tr,svg{break-inside:avoid}h2{break-after:avoid}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:70rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}p{color:var(--faint);margin:.5rem 0}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap}td.tags{white-space:nowrap}
.heat{width:auto}.heat td.n{background:rgb(201 58 63/calc(var(--s,0)*.65))}
.heat td.chosen{outline:2px solid var(--ink);outline-offset:-2px;font-weight:600}
.map{display:flex;gap:2px;flex-wrap:wrap}
.map span,.tag,.heat td{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.map span,.tag{color:#fff;border-radius:3px;padding:.1rem .4rem;font-size:.8rem}
.FP32{background:var(--FP32)}.BF16{background:var(--BF16)}.FP8{background:var(--FP8)}
.FP16{background:var(--FP16);color:#1b1f24!important}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}
dt{color:var(--faint)}dd{margin:0;overflow-wrap:anywhere}
svg{width:100%;min-width:38rem;height:auto;display:block}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}
.grid{stroke:var(--line)}.curve{fill:none;stroke:var(--FP32);stroke-width:1.5}
.area{fill:var(--FP32);fill-opacity:.25;stroke:none}.limit{stroke:var(--FP8);stroke-dasharray:6 4}
.warn{color:var(--ink);border-left:4px solid var(--FP8);padding-left:.6rem}
.mark{fill:var(--FP8)}.dot{fill:var(--FP32)}
@media(max-width:40rem){body{margin:1rem auto}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}}
)";

std::string bytes_text(std::int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(kUnits); ++unit) size /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", size, kUnits[unit]);
}

double mebibytes(std::int64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

/// Scrolls sideways on its own where it is wider than the screen.
std::string wide(const std::string& content) {
  return content.empty() ? content : "<div class=wide>\n" + content + "</div>\n";
}

std::string entry(const std::string& name, const std::string& value) {
  return fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, escape_html(value));
}

std::string summary_of(const Plan& plan) {
  std::string out = "<dl>\n";
  out += entry("model", fmt::format("{} ({:.12})", plan.model.name, plan.model.sha256));
  out += entry("device", fmt::format("{}, {} threads", plan.device.name, plan.device.threads));
  out +=
      entry("peak", fmt::format("{} of the budget's {} (FP32: {})", bytes_text(plan.peak_bytes),
                                bytes_text(plan.budget_bytes), bytes_text(plan.fp32_peak_bytes)));
  out += entry("step", fmt::format("{:.3f} ms predicted (FP32: {:.3f} ms)", plan.step_ms,
                                   plan.fp32_step_ms));
  out += entry("sensitivity", fmt::format("{:.3e}", plan.sensitivity));
  out += entry("casts", fmt::format("{}, {:.3f} ms", plan.casts.count, plan.casts.ms));
  out += entry("search", fmt::format("{}, {}{}", plan.objective_name, plan.status,
                                     plan.gap ? fmt::format(", gap {:.2g} %", 100 * *plan.gap)
                                              : std::string()));
  if (plan.paired_check) {
    const PairedCheck& check = *plan.paired_check;
    out += entry("paired check",
                 fmt::format("loss {:+.2e} against FP32 over {} steps, 95 % in [{:+.2e}, {:+.2e}]",
                             check.loss_difference, check.steps, check.low, check.high));
  }
  out += entry("batch, data", fmt::format("{}, {}", plan.settings.batch, plan.settings.data));
  for (const std::string& note : plan.notes) out += entry("note", note);
  return out + "</dl>\n";
}

/// "3 FP32, 2 BF16": what the colours of the map mean.
std::string legend(const Plan& plan) {
  std::string out;
  for (const Precision precision : kPrecisions) {
    const auto count = std::ranges::count(plan.layers, precision, &PlannedLayer::precision);
    if (count == 0) continue;
    out += fmt::format("{}{} <span class=\"tag {}\">{}</span>", out.empty() ? "" : ", ", count,
                       name_of(precision), name_of(precision));
  }
  return out.empty() ? out : "<p>" + out + "</p>\n";
}

std::string precision_map(const Plan& plan) {
  std::string out = "<h2>Precision along the network</h2>\n<div class=map>\n";
  for (const PlannedLayer& layer : plan.layers) {
    out += fmt::format("<span class={0} title=\"{1}: {0}\">{1}</span>\n", name_of(layer.precision),
                       escape_html(layer.name));
  }
  return out + "</div>\n" + legend(plan);
}

std::string layer_table(const Plan& plan) {
  std::string out =
      "<table>\n<tr><th>layer</th><th>op</th><th>choice</th>"
      "<th class=n>quality cost</th><th class=n>time</th><th class=n>memory</th><th>why</th>"
      "</tr>\n";
  for (const PlannedLayer& layer : plan.layers) {
    out += fmt::format(
        "<tr><td>{0}</td><td>{1}</td><td><span class=\"tag {2}\">{2}</span></td>"
        "<td class=n>{3:.2e}</td><td class=n>{4:.3f} ms</td><td class=n>{5}</td>"
        "<td>{6}</td></tr>\n",
        escape_html(layer.name), escape_html(layer.op), name_of(layer.precision), layer.sensitivity,
        layer.ms, bytes_text(layer.bytes), escape_html(layer.reason));
  }
  return "<h2>Layers</h2>\n" + wide(out + "</table>\n");
}

/// 0 for the least score, 1 for the greatest, on a logarithmic scale.
class Heat {
 public:
  explicit Heat(const Profile& profile) {
    for (const LayerProfile& entry : profile.layers) {
      const double score = entry.sensitivity.value_or(0);
      if (!(score > 0)) continue;
      low_ = std::min(low_, std::log(score));
      high_ = std::max(high_, std::log(score));
    }
  }
  double of(double score) const {
    if (!(score > 0)) return 0;
    return high_ <= low_ ? 0.5 : 0.05 + 0.95 * (std::log(score) - low_) / (high_ - low_);
  }

 private:
  double low_ = std::numeric_limits<double>::infinity();
  double high_ = -std::numeric_limits<double>::infinity();
};

/// A layer's entries stand together in a stored profile.
std::string heat_map(const Profile& profile, const std::optional<Plan>& plan) {
  if (profile.layers.empty()) return {};
  std::string out = "<table class=heat>\n<tr><th>layer</th>";
  for (const Precision precision : kPrecisions) {
    out += fmt::format("<th class=n>{}</th>", name_of(precision));
  }
  const Heat heat(profile);
  for (auto entry = profile.layers.begin(); entry != profile.layers.end();) {
    const std::string& name = entry->name;
    const auto end = std::ranges::find_if(entry, profile.layers.end(),
                                          [&](const LayerProfile& e) { return e.name != name; });
    const auto planned = plan ? std::ranges::find(plan->layers, name, &PlannedLayer::name)
                              : std::vector<PlannedLayer>::const_iterator();
    out += fmt::format("</tr>\n<tr><td>{}</td>", escape_html(name));
    for (const Precision precision : kPrecisions) {
      const auto cell = std::ranges::find(entry, end, precision, &LayerProfile::precision);
      const bool chosen = plan && planned != plan->layers.end() && planned->precision == precision;
      const std::string classes = chosen ? "\"n chosen\"" : "n";
      if (cell == end || !cell->sensitivity || !cell->excluded.empty()) {
        const std::string why = cell == end ? std::string() : cell->excluded;
        out += fmt::format("<td class={} title=\"{}\">-</td>", classes, escape_html(why));
      } else {
        out += fmt::format("<td class={} style=\"--s:{:.2f}\">{:.1e}</td>", classes,
                           heat.of(*cell->sensitivity), *cell->sensitivity);
      }
    }
    entry = end;
  }
  return "<h2>Sensitivity by layer and precision (framed: the plan; -: not allowed)</h2>\n" +
         wide(out + "</tr>\n</table>\n");
}

std::string front_section(const std::vector<Plan>& front) {
  if (front.empty()) return {};
  std::vector<Plan> plans = front;
  std::ranges::stable_sort(plans, {}, &Plan::peak_bytes);
  Chart quality{.x_title = "peak in MiB,", .y_title = "sensitivity", .dots = true};
  Chart speed{.x_title = "peak in MiB,", .y_title = "ms a step", .dots = true};
  std::string table =
      "<table>\n<tr><th class=n>budget</th><th class=n>peak</th><th class=n>step</th>"
      "<th class=n>sensitivity</th><th>layers</th></tr>\n";
  for (const Plan& plan : plans) {
    quality.points.push_back({mebibytes(plan.peak_bytes), plan.sensitivity});
    speed.points.push_back({mebibytes(plan.peak_bytes), plan.step_ms});
    table += fmt::format(
        "<tr><td class=n>{}</td><td class=n>{}</td><td class=n>{:.3f} ms</td>"
        "<td class=n>{:.2e}</td><td class=tags>",
        bytes_text(plan.budget_bytes), bytes_text(plan.peak_bytes), plan.step_ms, plan.sensitivity);
    for (const Precision precision : kPrecisions) {
      const auto count = std::ranges::count(plan.layers, precision, &PlannedLayer::precision);
      if (count == 0) continue;
      table += fmt::format("<span class=\"tag {0}\">{1} {0}</span> ", name_of(precision), count);
    }
    table += "</td></tr>\n";
  }
  return "<h2>Memory against quality and time</h2>\n" + wide(chart_svg(quality)) +
         wide(chart_svg(speed)) + wide(table + "</table>\n");
}

std::string timeline(const Plan& plan) {
  if (plan.timeline.empty()) return {};
  Chart chart{.x_title = "step of the schedule", .y_title = "MiB", .area = true};
  for (std::size_t i = 0; i < plan.timeline.size(); ++i) {
    chart.points.push_back({static_cast<double>(i), mebibytes(plan.timeline[i].bytes)});
  }
  chart.limit = mebibytes(plan.budget_bytes);
  return "<h2>Live memory in one training step (dashed: the budget)</h2>\n" +
         wide(chart_svg(chart));
}

std::string run_section(const ReportRun& run) {
  const RunHeader& header = run.log.header;
  std::string out = fmt::format("<h2>Training: {}</h2>\n<dl>\n", escape_html(run.name));
  out += entry("model", header.model.name);
  out += entry("optimizer", fmt::format("{}, lr {}", header.settings.optimizer.kind,
                                        header.settings.optimizer.learning_rate));
  if (run.log.end) {
    const RunEnd& end = *run.log.end;
    out += entry("end", fmt::format("{} after {} steps, {} skipped", end.reason, end.steps,
                                    end.skipped_steps));
    out += entry("peak", fmt::format("{} measured, {} predicted", bytes_text(end.peak_bytes),
                                     bytes_text(header.predicted_peak_bytes)));
    out += entry("speed",
                 fmt::format("{:.3f} ms a step measured{}, {:.0f} samples/s", end.step_ms,
                             header.predicted_step_ms
                                 ? fmt::format(", {:.3f} ms predicted", *header.predicted_step_ms)
                                 : std::string(),
                             end.samples_per_s));
  }
  for (const RunEpoch& epoch : run.log.epochs) {
    out += entry(fmt::format("epoch {}", epoch.epoch + 1),
                 fmt::format("{} {:.4f}, loss {:.4f} on {} samples", epoch.metric, epoch.value,
                             epoch.loss, epoch.samples));
  }
  out += "</dl>\n";
  Chart loss{.x_title = "dots: skipped steps; step", .y_title = "training loss"};
  Chart scale{.x_title = "step", .y_title = "log2 of the loss scale"};
  bool scaled = false;
  for (const RunStep& step : run.log.steps) {
    const auto x = static_cast<double>(step.step);
    loss.points.push_back({x, step.loss});
    if (step.skipped) loss.marks.push_back(x);
    scale.points.push_back({x, std::log2(std::max(step.loss_scale, 1e-300))});
    scaled = scaled || step.loss_scale != 1;
  }
  Chart metric{.x_title = "step", .y_title = "on the evaluation data", .dots = true};
  for (const RunEpoch& epoch : run.log.epochs) {
    metric.y_title = epoch.metric + " on the evaluation data";
    metric.points.push_back({static_cast<double>(epoch.step), epoch.value});
  }
  out += wide(chart_svg(loss));
  if (scaled) out += wide(chart_svg(scale));
  if (metric.points.size() > 1) out += wide(chart_svg(metric));
  return out;
}

/// Said first where a figure comes from random data.
std::string made_up_banner(const ReportData& data) {
  const auto made_up = [](const TrainingSettings& settings) {
    return settings.data == "synthetic";
  };
  const bool scores = (data.plan && made_up(data.plan->settings)) ||
                      (data.profile && made_up(data.profile->settings)) ||
                      std::ranges::any_of(data.front, made_up, &Plan::settings);
  const bool run = std::ranges::any_of(
      data.runs, [&](const ReportRun& each) { return made_up(each.log.header.settings); });
  if (!scores && !run) return {};
  return fmt::format(
      "<p class=warn>The data are made up at random: {} say nothing of real data.</p>\n",
      scores && run ? "sensitivities, losses and metrics"
      : scores      ? "sensitivities"
                    : "losses and metrics");
}

}  // namespace

std::string report_html(const ReportData& data) {
  std::string out =
      "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
      "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n";
  out += fmt::format("<title>mpsearch report</title>\n<style>{}</style></head><body>\n", kStyle);
  out += "<h1>mpsearch report</h1>\n";
  out += made_up_banner(data);
  if (data.plan) {
    const Plan& plan = *data.plan;
    out += summary_of(plan) + precision_map(plan) + timeline(plan) + layer_table(plan);
  }
  if (data.profile) out += heat_map(*data.profile, data.plan);
  out += front_section(data.front);
  for (const ReportRun& run : data.runs) out += run_section(run);
  return out + "</body></html>\n";
}

}  // namespace mpsearch
