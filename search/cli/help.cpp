#include "search/cli/help.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "search/cli/table.h"

namespace mpsearch {
namespace {

struct Entry {
  std::string left;
  std::string right;
};

/// Words of `text` in lines of at most `width` columns.
std::vector<std::string> wrapped(std::string_view text, int width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const bool fits = display_width(lines.back()) + 1 + display_width(word) <= width;
    if (!lines.back().empty() && !fits) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
  }
  return lines;
}

void add_entries(std::string& out, std::string_view title, const std::vector<Entry>& entries,
                 int width) {
  if (entries.empty()) return;
  out += fmt::format("\n{}:\n", title);
  constexpr int kMostLeft = 30;
  int left = 0;
  for (const Entry& entry : entries) {
    const int own = display_width(entry.left);
    if (own <= kMostLeft) left = std::max(left, own);
  }
  const std::string indent(static_cast<std::size_t>(left + 4), ' ');
  for (const Entry& entry : entries) {
    const std::vector<std::string> lines = wrapped(entry.right, std::max(24, width - left - 4));
    const bool own_line = display_width(entry.left) > left;
    out += fmt::format("  {}{}", entry.left, own_line ? "\n" + indent : "");
    if (!own_line) {
      out.append(static_cast<std::size_t>(left + 2 - display_width(entry.left)), ' ');
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
      out += (i == 0 ? "" : indent) + lines[i] + "\n";
    }
  }
}

Entry entry_of(const OptionSpec& spec) {
  Entry entry{spec.letter == 0 ? fmt::format("--{}", spec.name)
                               : fmt::format("-{}, --{}", spec.letter, spec.name),
              std::string(spec.help)};
  if (!spec.value.empty()) entry.left += fmt::format(" {}", spec.value);
  if (!spec.words.empty() && spec.value.find('|') == std::string_view::npos) {
    entry.right += fmt::format(" ({})", fmt::join(spec.words, ", "));
  }
  if (!spec.fallback.empty()) entry.right += fmt::format(" [{}]", spec.fallback);
  if (spec.repeats) entry.right += " (repeatable)";
  return entry;
}

std::string usage_of(const Verb& verb) {
  std::string usage = fmt::format("mpsearch {}", verb.name);
  for (const Positional& positional : verb.arguments) {
    const std::string name = fmt::format("{}{}", positional.name, positional.most > 1 ? "..." : "");
    usage += positional.least == 0 ? " [" + name + "]" : " " + name;
  }
  return usage + " [options]";
}

std::string program_help(const CommandSet& set, int width) {
  std::string out =
      "mpsearch plans in which precision each layer of an ONNX network trains, so that training "
      "fits "
      "a memory budget, and trains it.\n\n"
      "Usage: mpsearch COMMAND [arguments] [options]\n";
  if (set.find("plan") != nullptr)
    out += "       mpsearch MODEL.onnx --budget SIZE (same as plan)\n";
  std::vector<Entry> examples;
  std::vector<Entry> verbs;
  for (const Verb& verb : set.verbs) {
    verbs.push_back({std::string(verb.name), std::string(verb.summary)});
    if (!verb.examples.empty())
      examples.push_back({fmt::format("mpsearch {}", verb.examples[0]), ""});
  }
  out += "\nExamples:\n";
  for (const Entry& entry : examples) out += "  " + entry.left + "\n";
  add_entries(out, "Commands", verbs, width);
  return out +
         "\nmpsearch COMMAND -h shows a command, --help all of its options; mpsearch --version.\n";
}

}  // namespace

std::string help_text(const CommandSet& set, const Verb* verb, bool full, int width) {
  if (width <= 0) width = 100;
  if (verb == nullptr) return program_help(set, width);
  std::string out = fmt::format("{}\n\nExamples:\n", verb->summary);
  for (const std::string_view example : verb->examples) {
    out += fmt::format("  mpsearch {}\n", example);
  }
  out += fmt::format("\nUsage: {}\n", usage_of(*verb));
  std::vector<Entry> arguments;
  for (const Positional& positional : verb->arguments) {
    arguments.push_back({std::string(positional.name), std::string(positional.help)});
  }
  add_entries(out, "Arguments", arguments, width);

  std::vector<std::string_view> groups;
  for (const OptionSpec* spec : set.options_of(verb->name)) {
    if (std::find(groups.begin(), groups.end(), spec->group) == groups.end()) {
      groups.push_back(spec->group);
    }
  }
  std::vector<Entry> common;
  for (const std::string_view group : groups) {
    std::vector<Entry> entries;
    for (const OptionSpec* spec : set.options_of(verb->name)) {
      if (spec->group == group) entries.push_back(entry_of(*spec));
      if (spec->group == group && spec->common) common.push_back(entry_of(*spec));
    }
    if (full) add_entries(out, group, entries, width);
  }
  if (!full) {
    add_entries(out, "Common options", common, width);
    out += fmt::format("\nmpsearch {} --help shows all options.\n", verb->name);
  }
  return out;
}

std::string version_text() { return "mpsearch " MPSEARCH_VERSION "\n"; }

}  // namespace mpsearch
