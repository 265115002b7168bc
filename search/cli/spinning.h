// How long OpenMP's threads (oneDNN's) spin before they sleep. Used by main.
#pragma once

namespace mpsearch {

/// libgomp's default spins for about a millisecond, which takes the core from the very thread that
/// is waited for where others use the machine too; a few microseconds are as fast on a quiet one.
/// It reads the setting from the environment when it is loaded, before main: so this sets it and
/// runs the program again in its place. Does nothing where the user has set OMP_WAIT_POLICY or
/// GOMP_SPINCOUNT, and returns where the program cannot be run again.
void limit_spinning(char** words);

}  // namespace mpsearch
