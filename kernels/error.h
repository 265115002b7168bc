// The one error type: what went wrong, where, with which facts, and what to do about it.
// Used by every layer; search/cli turns it into text and an exit code.
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mpsearch {

/// Why a command fails. search/cli maps each kind to one exit code.
enum class ErrorKind {
  GoalNotMet,    // infeasible budget, verify differs, accuracy limit
  Internal,      // a defect of ours
  Usage,         // flags and arguments
  BadContent,    // a file that is not what it claims to be
  Missing,       // a file that is not there
  Unavailable,   // a device or library that is not there
  CannotCreate,  // an output that cannot be created
  InputOutput,   // reading or writing failed half-way
  OutOfMemory,
  Interrupted,  // stopped by the user, resumable
};

/// what / at / why / try_ are the four lines that a user reads; only `what` is mandatory.
struct ErrorText {
  std::string what;
  std::string at;
  std::string why;
  std::string try_;
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, ErrorText text)
      : std::runtime_error(text.what), kind_(kind), text_(std::move(text)) {}
  Error(ErrorKind kind, std::string what) : Error(kind, ErrorText{std::move(what), {}, {}, {}}) {}

  ErrorKind kind() const { return kind_; }
  const ErrorText& text() const { return text_; }

 private:
  ErrorKind kind_;
  ErrorText text_;
};

/// Throws Error{kind, message} unless `condition` holds; an Internal error names the source line.
inline void require(bool condition, ErrorKind kind, std::string_view message,
                    std::source_location here = std::source_location::current()) {
  if (condition) return;
  ErrorText text{.what = std::string(message), .at = {}, .why = {}, .try_ = {}};
  if (kind == ErrorKind::Internal) {
    text.at = std::string(here.file_name()) + ":" + std::to_string(here.line());
    text.try_ = "this is a defect of mpsearch: please report it with the command and the model";
  }
  throw Error(kind, std::move(text));
}

}  // namespace mpsearch
