// The text of an error as a user sees it, for golden-text tests.
#pragma once

#include <string>

#include "kernels/error.h"

namespace mpsearch {

/// The four lines that a user sees, with `folder` shown as FOLDER, and the kind's number before.
template <typename Action>
std::string error_of(Action action, const std::string& folder) {
  try {
    action();
  } catch (const Error& error) {
    const ErrorText& lines = error.text();
    std::string text = std::to_string(static_cast<int>(error.kind())) + ": " + lines.what;
    if (!lines.at.empty()) text += "\n  at: " + lines.at;
    if (!lines.why.empty()) text += "\n  why: " + lines.why;
    if (!lines.try_.empty()) text += "\n  try: " + lines.try_;
    for (std::size_t at; (at = text.find(folder)) != std::string::npos;) {
      text.replace(at, folder.size(), "FOLDER");
    }
    return text;
  }
  return "no error";
}

}  // namespace mpsearch
