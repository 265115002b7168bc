#include "search/cli/recipe.h"

#include <string>

#include <fmt/format.h>

#include "kernels/error.h"

namespace mpsearch {

TrainSettings train_settings(const Options& options, const TrainingSettings& settings) {
  TrainSettings out;
  out.epochs = options.integer("epochs");
  if (options.given("steps")) out.steps = options.integer("steps");
  const std::string schedule = options.text("schedule");
  for (const char* flag : {"step-size", "step-factor"}) {
    if (schedule == "step" || !options.given(flag)) continue;
    throw Error(ErrorKind::Usage, {.what = fmt::format("--{} is for --schedule step", flag),
                                   .at = {},
                                   .why = fmt::format("the schedule is {}", schedule),
                                   .try_ = "--schedule step"});
  }
  out.rate.base = settings.optimizer.learning_rate;
  out.rate.kind = schedule == "cosine" ? ScheduleKind::Cosine
                  : schedule == "step" ? ScheduleKind::Step
                                       : ScheduleKind::Constant;
  out.rate.warmup = options.integer("warmup");
  out.rate.step_size = options.integer("step-size");
  out.rate.step_factor = options.number("step-factor");
  out.seed = settings.seed;
  out.shuffle = !options.flag("no-shuffle");
  out.early_stop = static_cast<int>(options.integer("early-stop"));
  return out;
}

}  // namespace mpsearch
