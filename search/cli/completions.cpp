#include "search/cli/completions.h"

#include <fmt/format.h>

#include "kernels/error.h"

namespace mpsearch {
namespace {

std::string joined(const std::vector<std::string_view>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::string verb_names(const CommandSet& set) {
  std::vector<std::string_view> names;
  for (const Verb& verb : set.verbs) names.push_back(verb.name);
  return joined(names);
}

/// In single quotes for any shell, without the characters that zsh reads in a specification.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else if (c == '[' || c == ']') {
      out += c == '[' ? '(' : ')';
    } else if (c == ':') {
      out += "\\:";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::vector<std::string_view> argument_words(const Verb& verb) {
  return verb.arguments.empty() ? std::vector<std::string_view>() : verb.arguments[0].words;
}

std::string bash_script(const CommandSet& set) {
  std::string values;
  for (const OptionSpec& spec : set.options) {
    if (spec.type == OptionType::Flag) continue;
    std::string names = fmt::format("--{}", spec.name);
    if (spec.letter != 0) names += fmt::format("|-{}", spec.letter);
    const std::string action =
        spec.words.empty()
            ? "COMPREPLY=($(compgen -f -- \"$current\"))"
            : fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$current\"))", joined(spec.words));
    values += fmt::format("    {}) {}; return ;;\n", names, action);
  }
  std::string verbs;
  for (const Verb& verb : set.verbs) {
    std::string flags = "--help";
    for (const OptionSpec* spec : set.options_of(verb.name))
      flags += fmt::format(" --{}", spec->name);
    verbs += fmt::format("    {}) flags='{}'; words='{}' ;;\n", verb.name, flags,
                         joined(argument_words(verb)));
  }
  return fmt::format(R"(# bash completion of mpsearch: source <(mpsearch completions bash)
_mpsearch() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
  local verb=${{COMP_WORDS[1]}} flags= words=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{}' -- "$current") $(compgen -f -- "$current"))
    return
  fi
  case $previous in
{}  esac
  case $verb in
{}    *) flags='--help' ;;
  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current")) ;;
  esac
}}
complete -o filenames -F _mpsearch mpsearch
)",
                     verb_names(set), values, verbs);
}

std::string zsh_script(const CommandSet& set) {
  std::string verbs;
  std::string cases;
  for (const Verb& verb : set.verbs) {
    verbs +=
        fmt::format("    {}\n", quoted(fmt::format("{}", verb.name)) + ":" + quoted(verb.summary));
    cases += fmt::format("    {})\n      _arguments \\\n", verb.name);
    for (const OptionSpec* spec : set.options_of(verb.name)) {
      std::string value;
      if (spec->type != OptionType::Flag) {
        value =
            spec->words.empty() ? ":value:_files" : fmt::format(":value:({})", joined(spec->words));
      }
      const std::string help = quoted(spec->help);
      cases += fmt::format("        '{}--{}{}[{}]{}' \\\n", spec->repeats ? "*" : "", spec->name,
                           spec->type == OptionType::Flag ? "" : "=",
                           help.substr(1, help.size() - 2), value);
    }
    const std::vector<std::string_view> words = argument_words(verb);
    cases += words.empty() ? "        '*:file:_files' ;;\n"
                           : fmt::format("        '*:word:({})' ;;\n", joined(words));
  }
  return fmt::format(R"(#compdef mpsearch
# zsh completion of mpsearch: mpsearch completions zsh > "${{fpath[1]}}/_mpsearch"
_mpsearch() {{
  local -a verbs=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command verbs
    _files
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
{}    *) _files ;;
  esac
}}
_mpsearch "$@"
)",
                     verbs, cases);
}

std::string fish_script(const CommandSet& set) {
  std::string out =
      "# fish completion of mpsearch: mpsearch completions fish > "
      "~/.config/fish/completions/mpsearch.fish\n";
  for (const Verb& verb : set.verbs) {
    out += fmt::format("complete -c mpsearch -n __fish_use_subcommand -a {} -d {}\n", verb.name,
                       quoted(verb.summary));
    const std::string seen = fmt::format("'__fish_seen_subcommand_from {}'", verb.name);
    for (const OptionSpec* spec : set.options_of(verb.name)) {
      out += fmt::format("complete -c mpsearch -n {} -l {}", seen, spec->name);
      if (spec->letter != 0) out += fmt::format(" -s {}", spec->letter);
      if (spec->type != OptionType::Flag) out += " -r";
      if (!spec->words.empty()) out += fmt::format(" -f -a '{}'", joined(spec->words));
      out += fmt::format(" -d {}\n", quoted(spec->help));
    }
    if (!argument_words(verb).empty()) {
      out += fmt::format("complete -c mpsearch -n {} -f -a '{}'\n", seen,
                         joined(argument_words(verb)));
    }
  }
  return out;
}

}  // namespace

std::string completion_script(const CommandSet& set, std::string_view shell) {
  if (shell == "bash") return bash_script(set);
  if (shell == "zsh") return zsh_script(set);
  if (shell == "fish") return fish_script(set);
  throw Error(ErrorKind::Usage, {.what = fmt::format("no completions for '{}'", shell),
                                 .at = {},
                                 .why = "they exist for bash, zsh and fish",
                                 .try_ = "mpsearch completions bash"});
}

}  // namespace mpsearch
