#include "search/cli/plan_request.h"

#include <cstdlib>

#include "kernels/error.h"
#include "search/cli/run_settings.h"
#include "search/cli/signals.h"
#include "search/cli/size.h"

namespace mpsearch {
namespace {

/// A name that settings_from or a plan's reader accepted.
Precision stored_precision(const std::string& name) {
  const std::optional<Precision> precision = precision_from(name);
  require(precision.has_value(), ErrorKind::BadContent, "no precision '" + name + "'");
  return *precision;
}

std::string default_cache() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') return std::string(cache) + "/mpsearch/profiles";
  const char* const home = std::getenv("HOME");
  return home == nullptr ? std::string() : std::string(home) + "/.cache/mpsearch/profiles";
}

}  // namespace

PlanRequest request_from(const TrainingSettings& settings, const Options& options) {
  PlanRequest request;
  request.training = training_options(settings);
  request.loss_scale = settings.loss_scale;
  request.learning_rate = settings.optimizer.learning_rate;
  request.seed = settings.seed;
  request.effort = settings.effort;
  if (!settings.precisions.empty()) {
    request.restrictions.precisions.clear();
    for (const std::string& name : settings.precisions) {
      request.restrictions.precisions.push_back(stored_precision(name));
    }
  }
  for (const PinSettings& pin : settings.pins) {
    request.restrictions.pins.push_back({pin.pattern, stored_precision(pin.precision)});
  }
  request.restrictions.fp8_edges = settings.fp8_edges;
  request.solve.stop = &stop_flag();
  request.cache_dir = default_cache();
  if (options.has("profile-cache")) request.cache_dir = options.text("profile-cache");
  if (request.cache_dir == "off") request.cache_dir.clear();
  return request;
}

void add_search_options(const Options& options, PlanRequest& request) {
  if (options.has("budget")) {
    const Size size = parse_size(options.text("budget"), "budget");
    request.budget = {.bytes = size.bytes, .ratio = size.share};
  }
  request.objective = options.text("objective") == "speed" ? Objective::Ms : Objective::Sensitivity;
  if (options.has("max-time-ratio")) request.max_time_ratio = options.number("max-time-ratio");
  if (options.has("max-sensitivity")) {
    request.max_sensitivity = options.number("max-sensitivity");
  }
  const std::string solver = options.text("solver");
  request.solve.engine = solver == "exact" ? Engine::Exact
                         : solver == "cbc" ? Engine::Cbc
                                           : Engine::Auto;
  request.solve.time_limit = options.number("time-limit");
  request.measure = options.has("dump-problem") || options.has("dump-lp");
  request.paired_steps = static_cast<int>(options.integer("paired-steps"));
}

}  // namespace mpsearch
