#include "search/cli/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

namespace mpsearch {

void fill_standard_streams() {
  for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
    if (fcntl(number, F_GETFD) >= 0) continue;
    // The lowest free number is this one, as those below it are open.
    const int file = open("/dev/null", number == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    if (file != number && file >= 0) close(file);
  }
}

}  // namespace mpsearch
