#include "search/cli/plan_setup.h"

#include <algorithm>

#include <fmt/format.h>

#include "kernels/error.h"
#include "search/cli/no_plan.h"
#include "search/levers.h"

namespace mpsearch {
namespace {

/// Whether some plan at this batch fits, as far as bytes tell: values that a format cannot hold are
/// known only once the model is profiled.
bool fits_at(const RunSetup& setup, std::int64_t batch) {
  std::optional<Model> model = rebatched(setup, batch);
  if (!model) return false;
  const PlanRequest& request = setup.request;
  restrict_layers(*model, request.training, request.restrictions, *setup.backend);
  return fits(std::move(*model), request, {}, *setup.backend, request.budget.bytes);
}

/// Doubles while it fits, then halves the interval; 1 where nothing fits.
std::int64_t largest_batch(const RunSetup& setup) {
  const std::int64_t most = setup.data().samples();
  std::int64_t good = 1;
  while (2 * good <= most && fits_at(setup, 2 * good)) good *= 2;
  std::int64_t bad = std::min(2 * good, most + 1);
  while (bad - good > 1) {
    const std::int64_t middle = good + (bad - good) / 2;
    (fits_at(setup, middle) ? good : bad) = middle;
  }
  return good;
}

void set_batch(RunSetup& setup, std::int64_t batch) {
  std::optional<Model> model = rebatched(setup, batch);
  if (!model) {
    throw Error(ErrorKind::BadContent, {.what = "--batch auto needs a model with a free batch",
                                        .at = setup.path,
                                        .why = fmt::format("it cannot be read at batch {}", batch),
                                        .try_ = "without --batch"});
  }
  setup.settings = settings_at(setup.settings, batch);
  setup.model = std::move(*model);
}

}  // namespace

Planned plan_setup(RunSetup& setup, const Options& options, Console& console) {
  if (options.is_number("batch") || !options.given("batch")) return plan_or_refuse(setup, console);
  if (setup.request.budget.bytes == 0) {
    throw Error(ErrorKind::Usage, {.what = "--batch auto needs a --budget in bytes",
                                   .at = {},
                                   .why = "a share of the FP32 peak grows with the batch",
                                   .try_ = "--budget 512MiB"});
  }
  set_batch(setup, largest_batch(setup));
  Planned planned = plan_or_refuse(setup, console);
  // The kernels that measuring chose may need more workspace than those that were counted with.
  while (planned.answer.infeasible && setup.model.batch > 1) {
    set_batch(setup, setup.model.batch - std::max<std::int64_t>(1, setup.model.batch / 32));
    planned = plan_or_refuse(setup, console);
  }
  console.note(fmt::format("batch {} is the largest that fits", setup.model.batch));
  return planned;
}

}  // namespace mpsearch
