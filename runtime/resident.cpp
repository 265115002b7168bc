#include "runtime/resident.h"

#include <unistd.h>

#include <fstream>

namespace mpsearch {

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0, resident = 0;
  return statm >> size >> resident ? resident * sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace mpsearch
