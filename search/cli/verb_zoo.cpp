#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "models/zoo/zoo.h"
#include "search/cli/output.h"
#include "search/cli/paths.h"
#include "search/cli/size.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

void list_networks(Console& console) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> rows;
  for (const ZooEntry& entry : zoo()) {
    nlohmann::ordered_json options = nlohmann::ordered_json::object();
    std::string text;
    for (const ZooOption& option : entry.options) {
      options[option.name] = option.standard;
      text += fmt::format("{}--{} {}", text.empty() ? "" : " ", option.name, option.standard);
    }
    list.push_back({{"name", entry.name}, {"meaning", entry.meaning}, {"options", options}});
    rows.push_back({entry.name, text, entry.meaning});
  }
  if (console.json()) {
    print_json(console, {{"networks", list}});
  } else {
    console.print(table_text({{"network"}, {"options and defaults"}, {"what", Align::Left, true}},
                             rows, console.width()));
  }
}

int run(const Invocation& invocation, Console& console) {
  if (invocation.arguments.empty()) {
    list_networks(console);
    return 0;
  }
  const std::string& name = invocation.arguments[0];
  std::map<std::string, double> values;
  std::vector<std::string> names;
  for (const ZooEntry& entry : zoo()) {
    names.push_back(entry.name);
    for (const ZooOption& option : entry.options) {
      if (invocation.options.given(option.name)) {
        values[option.name] = invocation.options.number(option.name);
      }
    }
  }
  if (std::string near = did_you_mean(name, names);
      std::find(names.begin(), names.end(), name) == names.end() && !near.empty()) {
    throw Error(ErrorKind::Usage, {.what = fmt::format("no network '{}' in the zoo", name),
                                   .at = {},
                                   .why = fmt::format("there are {}", fmt::join(names, ", ")),
                                   .try_ = std::move(near)});
  }
  const std::string path = output_path(invocation, "output", name + ".onnx");
  write_zoo(name, values, path);
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(path));
  if (console.json()) {
    print_json(console, {{"model", path}, {"bytes", bytes}});
  } else {
    console.print(fmt::format("{}  {}\n", path, format_bytes(bytes)));
    console.note(fmt::format("next: mpsearch inspect {}", path));
  }
  return 0;
}

}  // namespace

Verb zoo_verb() {
  return {.name = "zoo",
          .summary = "write a reference network as an ONNX file, or list them",
          .arguments = {{.name = "NAME",
                         .help = "the network; without it, the list",
                         .least = 0,
                         .words = {"mlp", "lenet", "vgg", "resnet18", "resnet50", "mobilenetv2",
                                   "unet", "autoencoder", "siamese", "two-heads", "transformer",
                                   "transformer-lm"}}},
          .examples = {"zoo lenet -o lenet.onnx", "zoo resnet18 --image 224 --classes 100", "zoo"},
          .run = run};
}

}  // namespace mpsearch
