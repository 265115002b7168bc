#include "search/cli/suggest.h"

#include <algorithm>
#include <cctype>

namespace mpsearch {
namespace {

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

}  // namespace

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> before(b.size() + 1);
  std::vector<int> last(b.size() + 1);
  std::vector<int> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::vector<std::string> nearest(std::string_view word, std::span<const std::string> names,
                                 std::size_t most) {
  const int reach = std::max(1, static_cast<int>(word.size()) / 3);
  const std::string wanted = lower(word);
  std::vector<std::pair<int, std::string>> found;
  for (const std::string& name : names) {
    const int distance = edit_distance(word, name);
    const bool inside = wanted.size() >= 3 && lower(name).find(wanted) != std::string::npos;
    if (distance <= reach || inside) found.emplace_back(distance, name);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (auto& [distance, name] : found) {
    if (out.size() < most) out.push_back(std::move(name));
  }
  return out;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> names) {
  std::string out;
  for (const std::string& name : nearest(word, names)) {
    out += (out.empty() ? "did you mean '" : ", '") + name + "'";
  }
  return out.empty() ? out : out + "?";
}

}  // namespace mpsearch
