#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/onnx/import.h"
#include "search/cli/output.h"
#include "search/cli/run_settings.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

nlohmann::ordered_json json_of(const std::vector<NamedShape>& shapes) {
  nlohmann::ordered_json out = nlohmann::ordered_json::array();
  for (const NamedShape& shape : shapes) {
    out.push_back({{"name", shape.name}, {"dtype", shape.dtype}, {"shape", shape.shape}});
  }
  return out;
}

nlohmann::ordered_json json_of(const ModelSummary& summary) {
  nlohmann::ordered_json out;
  out["ir"] = summary.ir;
  out["opsets"] = summary.opsets;
  out["producer"] = summary.producer;
  out["nodes"] = summary.nodes;
  out["nodes_by_op"] = summary.nodes_by_op;
  out["parameters"] = summary.parameters;
  out["trainable_parameters"] = summary.trainable_parameters;
  out["inputs"] = json_of(summary.inputs);
  out["outputs"] = json_of(summary.outputs);
  out["layers"] = nlohmann::ordered_json::array();
  for (const LayerSummary& layer : summary.layers) {
    out["layers"].push_back({{"name", layer.name},
                             {"op", layer.op},
                             {"output", layer.output},
                             {"parameters", layer.parameters}});
  }
  out["supported"] = summary.supported;
  out["unsupported"] = nlohmann::ordered_json::array();
  for (const Unsupported& entry : summary.unsupported) {
    out["unsupported"].push_back({{"op", entry.op},
                                  {"count", entry.count},
                                  {"first_node", entry.first_node},
                                  {"why", entry.why}});
  }
  out["notes"] = summary.notes;
  return out;
}

std::string text_of(const std::vector<NamedShape>& shapes) {
  std::string out;
  for (const NamedShape& shape : shapes) {
    out += fmt::format("{}{} {} [{}]", out.empty() ? "" : ", ", shape.name, shape.dtype,
                       fmt::join(shape.shape, ", "));
  }
  return out;
}

std::string verdict(const ModelSummary& summary, int width) {
  if (summary.supported) return fmt::format("all {} nodes are supported\n", summary.nodes);
  std::int64_t count = 0;
  std::vector<std::vector<std::string>> rows;
  for (const Unsupported& entry : summary.unsupported) {
    count += entry.count;
    rows.push_back({entry.op, std::to_string(entry.count), entry.first_node, entry.why});
  }
  return table_text({{"operator"},
                     {"count", Align::Right},
                     {"first node", Align::Left, true},
                     {"why", Align::Left, true}},
                    rows, width) +
         fmt::format("{} of {} nodes cannot be trained\n", count, summary.nodes);
}

std::string text_of(const ModelSummary& summary, const std::string& path, int width) {
  std::string opsets;
  for (const auto& [domain, version] : summary.opsets) {
    opsets += fmt::format(", {} {}", domain, version);
  }
  std::string out = fmt::format("{}: IR {}{}{}\n", path, summary.ir, opsets,
                                summary.producer.empty() ? "" : ", by " + summary.producer);
  out += fmt::format("inputs      {}\n", text_of(summary.inputs));
  out += fmt::format("outputs     {}\n", text_of(summary.outputs));
  out += fmt::format("parameters  {}, of which {} train\n", summary.parameters,
                     summary.trainable_parameters);
  std::vector<std::vector<std::string>> rows;
  for (const LayerSummary& layer : summary.layers) {
    rows.push_back({layer.name, layer.op, fmt::format("{}", fmt::join(layer.output, "x")),
                    std::to_string(layer.parameters)});
  }
  if (!rows.empty()) {
    out +=
        "\n" +
        table_text({{"layer", Align::Left, true}, {"op"}, {"output"}, {"parameters", Align::Right}},
                   rows, width);
  }
  for (const std::string& note : summary.notes) out += "\nnote: " + note;
  return out + (summary.notes.empty() ? "\n" : "\n\n") + verdict(summary, width);
}

int run(const Invocation& invocation, Console& console) {
  const std::string& path = invocation.arguments[0];
  ImportOptions import = import_options(settings_from(invocation.options, nullptr));
  import.outputs.clear();  // a file is shown with all of them
  const ModelSummary summary = summarize_model(path, import);
  if (console.json()) {
    print_json(console, json_of(summary));
  } else {
    console.print(text_of(summary, path, console.width()));
  }
  return 0;
}

}  // namespace

Verb inspect_verb() {
  return {.name = "inspect",
          .summary = "what an ONNX file holds, and whether all of it can be trained",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"inspect lenet.onnx", "inspect resnet18.onnx --batch 64 --json"},
          .run = run};
}

}  // namespace mpsearch
