// The three standard streams where the caller closed one. Used by main.
#pragma once

namespace mpsearch {

/// Fills closed ones of the descriptors 0 to 2, so that no file that is opened later gets their
/// number and, with it, the program's messages. Writing to a closed stdout still fails.
void fill_standard_streams();

}  // namespace mpsearch
