// Exit codes: the one place where a kind of failure becomes a number. Used by main and the verbs.
#pragma once

#include "kernels/error.h"

namespace mpsearch {

inline constexpr int kExitOk = 0;

/// The process's exit status for a failure of this kind (sysexits.h where it has one).
constexpr int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::GoalNotMet:
      return 1;
    case ErrorKind::Internal:
      return 2;
    case ErrorKind::Usage:
      return 64;
    case ErrorKind::BadContent:
      return 65;
    case ErrorKind::Missing:
      return 66;
    case ErrorKind::Unavailable:
      return 69;
    case ErrorKind::CannotCreate:
      return 73;
    case ErrorKind::InputOutput:
      return 74;
    case ErrorKind::OutOfMemory:
      return 75;
    case ErrorKind::Interrupted:
      return 130;
  }
  return 2;
}

}  // namespace mpsearch
