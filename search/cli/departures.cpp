#include "search/cli/departures.h"

#include <algorithm>

#include <fmt/format.h>

#include "search/cli/shell_word.h"

namespace mpsearch {
namespace {

class Compared {
 public:
  template <class T>
  void add(const std::string& name, const T& now, const T& planned) {
    if (now != planned) {
      texts_.push_back(fmt::format("{} {}, planned for {}", name, now, planned));
    }
  }
  std::vector<std::string> take() { return std::move(texts_); }

 private:
  std::vector<std::string> texts_;
};

/// "8x128": an input's shape without the batch, which is compared by itself.
std::string sample_shape(const std::vector<std::int64_t>& shape) {
  const auto first = shape.begin() + (shape.empty() ? 0 : 1);
  return fmt::format("{}", fmt::join(first, shape.end(), "x"));
}

std::string memory_of(const OptimizerSettings& optimizer) {
  return optimizer.kind +
         (optimizer.kind == "sgd" && optimizer.momentum != 0 ? " with momentum" : "");
}

}  // namespace

std::vector<std::string> departures(const RunSetup& setup) {
  if (!setup.plan) return {};
  const TrainingSettings now = settings_of(setup.model, setup.request);
  const TrainingSettings& planned = setup.plan->settings;
  Compared compared;
  compared.add("batch", now.batch, planned.batch);
  for (const InputSettings& input : now.inputs) {
    const auto before = std::ranges::find(planned.inputs, input.name, &InputSettings::name);
    if (before == planned.inputs.end()) continue;
    compared.add("shape of " + input.name, sample_shape(input.shape), sample_shape(before->shape));
  }
  compared.add("optimizer", memory_of(now.optimizer), memory_of(planned.optimizer));
  compared.add("clip", now.clip, planned.clip);
  compared.add("accumulation", now.accumulation, planned.accumulation);
  compared.add("loss", now.loss, planned.loss);
  compared.add("loss scale", now.loss_scale, planned.loss_scale);
  const DeviceIdentity device = setup.backend->identity();
  compared.add("device", device.backend, setup.plan->device.backend);
  compared.add("threads", device.threads, setup.plan->device.threads);
  return compared.take();
}

void warn_of_departures(const RunSetup& setup, const Options& options, Console& console) {
  if (!setup.plan) return;
  const std::string& file = options.text("plan");
  if (edited(*setup.plan)) {
    console.warn(
        fmt::format("{} was edited by hand since the search: its figures are still those from "
                    "before; mpsearch verify {} --plan {} says which hold",
                    file, shell_word(setup.path), shell_word(file)));
  }
  const std::vector<std::string> changed = departures(setup);
  if (changed.empty()) return;
  console.warn(fmt::format(
      "this run is not what {} was made for: {}; the plan's peak is predicted anew, its "
      "time and quality are not",
      file, fmt::join(changed, "; ")));
}

}  // namespace mpsearch
