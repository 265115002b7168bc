// Reads the reference data of tests/reference: NPZ files as numpy.savez writes them (not
// compressed). Shares no code with the product's readers.
#pragma once

#include <map>
#include <string>

#include "tests/support/reference.h"

namespace mpsearch::reference {

struct Array {
  Shape shape;
  Numbers numbers;
};

/// All members by name, without ".npy". Little-endian f4, f8, i4, i8, u1 in row-major order; throws
/// std::runtime_error on anything else.
std::map<std::string, Array> read_npz(const std::string& path);

}  // namespace mpsearch::reference
