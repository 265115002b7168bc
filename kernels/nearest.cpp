#include "kernels/nearest.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <numeric>
#include <system_error>

namespace mpsearch {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

/// Levenshtein distance with a swap of neighbours as one edit (optimal string alignment).
std::size_t edits_between(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = last;
    last = row;
  }
  return last[b.size()];
}

/// "did you mean a, b or c?"
std::string question(const std::vector<std::string>& names) {
  if (names.empty()) return {};
  std::string text = "did you mean ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text + "?";
}

}  // namespace

std::vector<std::string> nearest_names(std::string_view name,
                                       const std::vector<std::string>& candidates,
                                       std::size_t limit) {
  const std::string wanted = lower(name);
  const std::size_t near = std::max<std::size_t>(1, wanted.size() / 3);
  std::vector<std::pair<std::size_t, const std::string*>> found;
  for (const std::string& candidate : candidates) {
    const std::string other = lower(candidate);
    // A name much longer or shorter cannot be near; hostile lengths would cost time squared.
    const bool comparable =
        other.size() <= wanted.size() + near && wanted.size() <= other.size() + near;
    const std::size_t edits = comparable ? edits_between(wanted, other) : near + 1;
    const bool contains = wanted.size() >= 3 && other.find(wanted) != std::string::npos;
    if (edits <= near || contains) found.emplace_back(std::min(edits, near + 1), &candidate);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (const auto& [edits, candidate] : found) {
    if (names.size() < limit) names.push_back(*candidate);
  }
  return names;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  return question(nearest_names(name, candidates));
}

std::string did_you_mean_file(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code failed;
  fs::path missing = fs::path(path).lexically_normal();
  if (!missing.has_filename()) missing = missing.parent_path();
  while (missing.has_parent_path() && missing.has_relative_path() &&
         !fs::exists(missing.parent_path(), failed)) {
    missing = missing.parent_path();
  }
  const fs::path folder = missing.parent_path();
  std::vector<std::string> names;
  for (fs::directory_iterator entry(folder.empty() ? "." : folder, failed), end;
       !failed && entry != end; entry.increment(failed)) {
    names.push_back(entry->path().filename().string());
  }
  std::ranges::sort(names);
  names = nearest_names(missing.filename().string(), names);
  for (std::string& name : names) name = (folder / name).string();
  return question(names);
}

}  // namespace mpsearch
