// Did-you-mean: the names nearest to a mistyped one. Used for flags, verbs, words and patterns.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mpsearch {

/// Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`, without regard to
/// case. Optimal string alignment distance.
int edit_distance(std::string_view a, std::string_view b);

/// At most `most` of `names`, nearest first: those within a third of the word's length, at least
/// one edit, or that contain the word or begin with it. Empty where nothing is near.
std::vector<std::string> nearest(std::string_view word, std::span<const std::string> names,
                                 std::size_t most = 3);

/// "did you mean 'a', 'b'?" of nearest(), or an empty text.
std::string did_you_mean(std::string_view word, std::span<const std::string> names);

}  // namespace mpsearch
