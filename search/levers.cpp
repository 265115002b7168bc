#include "search/levers.h"

#include <algorithm>
#include <utility>

#include "kernels/error.h"
#include "search/bytes_alone.h"
#include "search/confirm.h"
#include "search/profile_cache.h"

namespace mpsearch {
namespace {

/// The least arena of any plan of the model, to one side of `enough`.
Least least_arena(Model model, const PlanRequest& request, const RecordedKernels& kernels,
                  const Backend& backend, std::int64_t enough) {
  const Profiled profiled = profile_of_bytes(std::move(model), request, kernels, backend);
  return least_confirmed(profiled, unlimited_problem(profiled), request, backend, enough);
}

class Levers {
 public:
  Levers(const Profiled& profiled, const PlanRequest& request, bool by_bytes_alone,
         const Backend& backend, const ProfileProgress& progress)
      : profiled_(profiled),
        request_(request),
        by_bytes_alone_(by_bytes_alone),
        backend_(backend),
        progress_(progress),
        budget_(budget_bytes(request.budget, profiled)),
        kernels_(profiled.speed.kernels) {}

  void try_batches(const Rebatch& rebatch) {
    for (std::int64_t batch = profiled_.model.batch / 2; batch >= 1; batch /= 2) {
      std::optional<Model> model = rebatch(batch);
      const std::vector<Layer>& layers = profiled_.model.graph.layers;
      if (!model || model->graph.layers.size() != layers.size()) return;
      for (std::size_t i = 0; i < layers.size(); ++i) {
        model->graph.layers[i].allowed = layers[i].allowed;
      }
      // Measured only where it nearly fits with what is known.
      const bool last = batch == 1;
      if (by_bytes_alone_) know_leanest(*model);
      Least least = first_arena(*model);
      if (!last && least.peak_bytes > budget_ + budget_ / 16) continue;
      if (time_new_kernels(*model)) least = first_arena(std::move(*model));
      if (least.peak_bytes > budget_ && !last) continue;
      add("--batch " + std::to_string(batch), least);
      return;
    }
  }

  void try_limits() {
    const auto without = [&](const std::string& flag, auto change) {
      PlanRequest looser = request_;
      change(looser);
      const Problem problem = limited_problem(profiled_, looser, budget_);
      add("without " + flag, least_confirmed(profiled_, problem, looser, backend_, kFirstArena));
    };
    if (request_.max_time_ratio) {
      without("--max-time-ratio", [](PlanRequest& r) { r.max_time_ratio.reset(); });
    }
    if (request_.max_sensitivity) {
      without("--max-sensitivity", [](PlanRequest& r) { r.max_sensitivity.reset(); });
    }
  }

  /// `original`: the model before any restriction.
  void try_restrictions(const Model& original) {
    const Restrictions& now = request_.restrictions;
    for (std::size_t i = 0; i < now.pins.size(); ++i) {
      Restrictions looser = now;
      looser.pins.erase(looser.pins.begin() + static_cast<std::ptrdiff_t>(i));
      std::string name(name_of(now.pins[i].precision));
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      restricted("without --pin '" + now.pins[i].pattern + "=" + name + "'", original, looser);
    }
    if (now.precisions.size() < kPrecisions.size()) {
      Restrictions looser = now;
      looser.precisions.assign(kPrecisions.begin(), kPrecisions.end());
      restricted("with all precisions", original, looser);
    }
    if (!now.fp8_edges &&
        std::ranges::find(now.precisions, Precision::FP8) != now.precisions.end()) {
      Restrictions looser = now;
      looser.fp8_edges = true;
      restricted("--fp8-edges", original, looser);
    }
  }

  std::vector<Lever> take() { return std::move(levers_); }

  /// For the next run, which is to pick the same.
  void keep_kernels() const {
    if (timed_.empty()) return;
    SpeedProfile speed = profiled_.speed;
    speed.kernels.insert(timed_.begin(), timed_.end());
    ProfileCache(request_.cache_dir).store_speed(backend_.identity(), speed);
  }

 private:
  void restricted(const std::string& change, Model model, const Restrictions& restrictions) {
    Exclusions exclusions = restrict_layers(model, request_.training, restrictions, backend_);
    for (const auto& [key, score] : profiled_.sensitivity.scores) {
      if (score.out_of_range.empty()) continue;
      exclude(model.graph, exclusions, key.first, key.second, score.out_of_range);
    }
    time_new_kernels(model);
    add(change, first_arena(std::move(model)));
  }

  Least first_arena(Model model) const {
    return least_arena(std::move(model), request_, kernels_, backend_, kFirstArena);
  }

  void know_leanest(const Model& model) {
    add_leanest(calls_of(training_graph(model, request_.training)), backend_, kernels_);
  }

  /// Those that a run of the changed command will use; false where all were known.
  bool time_new_kernels(const Model& model) {
    if (by_bytes_alone_) {
      know_leanest(model);
      return false;
    }
    const std::size_t before = timed_.size();
    const StepGraph step = training_graph(model, request_.training);
    pick_kernels(calls_of(step), backend_, kernels_, timed_, progress_);
    return timed_.size() > before;
  }

  void add(std::string change, const Least& least) {
    const std::int64_t bytes = by_bytes_alone_ ? least.bound : least.peak_bytes;
    levers_.push_back(
        {std::move(change), bytes, least.exact && !by_bytes_alone_, bytes > 0 && bytes <= budget_});
  }

  const Profiled& profiled_;
  const PlanRequest& request_;
  bool by_bytes_alone_;
  const Backend& backend_;
  const ProfileProgress& progress_;
  std::int64_t budget_;
  RecordedKernels kernels_;
  RecordedKernels timed_;
  std::vector<Lever> levers_;
};

}  // namespace

bool fits(Model model, const PlanRequest& request, const RecordedKernels& kernels,
          const Backend& backend, std::int64_t budget) {
  const std::int64_t bytes =
      least_arena(std::move(model), request, kernels, backend, budget).peak_bytes;
  return bytes > 0 && bytes <= budget;
}

std::vector<Lever> levers_of(const Profiled& profiled, const PlanRequest& request,
                             bool by_bytes_alone, const Backend& backend, const Rebatch& rebatch,
                             const ProfileProgress& progress) {
  Levers levers(profiled, request, by_bytes_alone, backend, progress);
  const bool limited = request.max_time_ratio || request.max_sensitivity;
  if (!by_bytes_alone) levers.try_limits();
  if (!limited) levers.try_batches(rebatch);
  const std::optional<Model> original = rebatch(profiled.model.batch);
  if (!limited && original) levers.try_restrictions(*original);
  levers.keep_kernels();
  return levers.take();
}

}  // namespace mpsearch
