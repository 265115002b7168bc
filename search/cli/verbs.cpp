#include "search/cli/verbs.h"

namespace mpsearch {

std::span<const Verb> all_verbs() {
  static const std::vector<Verb> verbs{
      plan_verb(),    train_verb(),      eval_verb(),   verify_verb(), inspect_verb(),
      profile_verb(), compare_verb(),    pareto_verb(), bench_verb(),  export_verb(),
      report_verb(),  diff_verb(),       solve_verb(),  zoo_verb(),    ops_verb(),
      devices_verb(), completions_verb()};
  return verbs;
}

CommandSet commands() { return {all_verbs(), option_table()}; }

const Verb* CommandSet::find(std::string_view verb) const {
  for (const Verb& known : verbs) {
    if (known.name == verb) return &known;
  }
  return nullptr;
}

std::vector<const OptionSpec*> CommandSet::options_of(std::string_view verb) const {
  std::vector<const OptionSpec*> out;
  for (const OptionSpec& spec : options) {
    if (belongs_to(spec, verb)) out.push_back(&spec);
  }
  return out;
}

}  // namespace mpsearch
