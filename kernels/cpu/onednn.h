// Everything that the project asks of oneDNN: onednn.cpp alone includes it, so that another version
// of the library is a change of one file. Used by the matrix products of kernels/cpu.
#pragma once

#include <string>

namespace mpsearch::cpu::onednn {

/// "2.6.3", of the library in use.
std::string version();

}  // namespace mpsearch::cpu::onednn
