#include "reports/report.h"

#include <cmath>

#include <fmt/format.h>

#include "reports/chart.h"

namespace mpsearch {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--faint:#59636e;--line:#d8dee4;
--FP32:#4269d0;--BF16:#2b7d3b;--FP16:#efb118;--FP8:#c93a3f}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--faint:#8b949e;
--line:#30363d}}
@media print{:root{color-scheme:light;--ink:#000;--paper:#fff;--faint:#444;--line:#bbb}
tr,svg{break-inside:avoid}h2{break-after:avoid}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:70rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap}
.map{display:flex;gap:2px;flex-wrap:wrap}
.map span,.tag{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.map span,.tag{color:#fff;border-radius:3px;padding:.1rem .4rem;font-size:.8rem}
.FP32{background:var(--FP32)}.BF16{background:var(--BF16)}.FP8{background:var(--FP8)}
.FP16{background:var(--FP16);color:#1b1f24!important}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}
dt{color:var(--faint)}dd{margin:0}
svg{width:100%;height:auto;display:block}svg text{fill:var(--ink);font:12px system-ui,sans-serif}
.grid{stroke:var(--line)}.curve{fill:none;stroke:var(--FP32);stroke-width:1.5}
.area{fill:var(--FP32);fill-opacity:.25;stroke:none}.limit{stroke:var(--FP8);stroke-dasharray:6 4}
.mark{fill:var(--FP8)}
)";

std::string mebibytes(std::int64_t bytes) {
  return fmt::format("{:.3f} MiB", static_cast<double>(bytes) / (1024.0 * 1024.0));
}

std::string entry(const std::string& name, const std::string& value) {
  return fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, escape_html(value));
}

std::string summary_of(const Plan& plan) {
  std::string out = "<dl>\n";
  out += entry("model", fmt::format("{} ({:.12})", plan.model.name, plan.model.sha256));
  out += entry("device", fmt::format("{}, {} threads", plan.device.name, plan.device.threads));
  out += entry("peak", fmt::format("{} of the budget's {} (FP32: {})", mebibytes(plan.peak_bytes),
                                   mebibytes(plan.budget_bytes), mebibytes(plan.fp32_peak_bytes)));
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

std::string precision_map(const Plan& plan) {
  std::string out = "<h2>Precision along the network</h2>\n<div class=map>\n";
  for (const PlannedLayer& layer : plan.layers) {
    out += fmt::format("<span class={0} title=\"{1}: {0}\">{1}</span>\n", name_of(layer.precision),
                       escape_html(layer.name));
  }
  return out + "</div>\n";
}

std::string layer_table(const Plan& plan) {
  std::string out =
      "<h2>Layers</h2>\n<table>\n<tr><th>layer</th><th>op</th><th>choice</th>"
      "<th class=n>quality cost</th><th class=n>time</th><th class=n>memory</th><th>why</th>"
      "</tr>\n";
  for (const PlannedLayer& layer : plan.layers) {
    out += fmt::format(
        "<tr><td>{0}</td><td>{1}</td><td><span class=\"tag {2}\">{2}</span></td>"
        "<td class=n>{3:.2e}</td><td class=n>{4:.3f} ms</td><td class=n>{5}</td>"
        "<td>{6}</td></tr>\n",
        escape_html(layer.name), escape_html(layer.op), name_of(layer.precision), layer.sensitivity,
        layer.ms, mebibytes(layer.bytes), escape_html(layer.reason));
  }
  return out + "</table>\n";
}

std::string timeline(const Plan& plan) {
  if (plan.timeline.empty()) return {};
  Chart chart{.x_title = "step of the schedule", .y_title = "MiB", .area = true};
  for (std::size_t i = 0; i < plan.timeline.size(); ++i) {
    chart.points.push_back(
        {static_cast<double>(i), static_cast<double>(plan.timeline[i].bytes) / (1024.0 * 1024.0)});
  }
  chart.limit = static_cast<double>(plan.budget_bytes) / (1024.0 * 1024.0);
  return "<h2>Live memory in one training step (dashed: the budget)</h2>\n" + chart_svg(chart);
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
    out += entry("peak", fmt::format("{} measured, {} predicted", mebibytes(end.peak_bytes),
                                     mebibytes(header.predicted_peak_bytes)));
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
  return out + chart_svg(loss) + (scaled ? chart_svg(scale) : std::string());
}

}  // namespace

std::string report_html(const std::optional<Plan>& plan, const std::vector<ReportRun>& runs) {
  std::string out =
      "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
      "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n";
  out += fmt::format("<title>mpsearch report</title>\n<style>{}</style></head><body>\n", kStyle);
  out += "<h1>mpsearch report</h1>\n";
  if (plan) out += summary_of(*plan) + precision_map(*plan) + timeline(*plan) + layer_table(*plan);
  for (const ReportRun& run : runs) out += run_section(run);
  return out + "</body></html>\n";
}

}  // namespace mpsearch
