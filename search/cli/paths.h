// Paths of a command, looked at before hours of work: what it writes can be created and is nothing
// that it reads. Used by main for the paths given, by the verbs for their defaults.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "search/cli/verb.h"

namespace mpsearch {

/// Errors: CannotCreate where a path cannot be written, Usage where it is that of an input or of
/// another output.
void check_paths(const Invocation& invocation);

/// Throws CannotCreate where `folder` neither is a folder to write into nor can be made.
void require_folder(const std::string& use, const std::string& folder);

/// A file to be written, by what it is ("the model"), and its size.
struct PlannedFile {
  std::string what;
  std::string path;
  std::int64_t bytes = 0;
};

/// Throws InputOutput where the disk of one of the files has less free than all files on it need.
void require_space(std::span<const PlannedFile> files);

/// The value of `option` ("output"), or `fallback` after the same checks.
std::string output_path(const Invocation& invocation, std::string_view option,
                        const std::string& fallback);

}  // namespace mpsearch
