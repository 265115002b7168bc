// "Did you mean": the candidates whose spelling is nearest to a name that matches nothing.
// Used wherever a user's name is refused: flags, layers, files, keys of stored documents.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mpsearch {

/// At most `limit` candidates within a third of the name's length in edits (case aside; at least
/// one edit), or that contain it; nearest first, ties in the order given.
std::vector<std::string> nearest_names(std::string_view name,
                                       const std::vector<std::string>& candidates,
                                       std::size_t limit = 3);

/// "did you mean a, b or c?", or an empty string where nothing is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

/// The same for a path that does not exist: what is near to its first missing part in the folder
/// that should hold it.
std::string did_you_mean_file(const std::string& path);

}  // namespace mpsearch
