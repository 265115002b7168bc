#include "search/solver/side_by_side.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include <sched.h>

namespace mpsearch::solver {
namespace {

thread_local bool within_another = false;

}  // namespace

std::size_t cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
  return std::max(1U, std::thread::hardware_concurrency());  // more than a cpu_set_t holds
}

void side_by_side(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::vector<std::exception_ptr> thrown(count);
  std::atomic<std::size_t> next = 0;
  const auto take_turns = [&] {
    const bool before = within_another;
    within_another = true;
    for (std::size_t i = next++; i < count; i = next++) try {
        work(i);
      } catch (...) {
        thrown[i] = std::current_exception();
      }
    within_another = before;
  };
  {
    std::vector<std::jthread> others;
    const std::size_t threads = within_another ? 1 : std::min(count, cores());
    while (others.size() + 1 < threads) others.emplace_back(take_turns);
    take_turns();
  }
  for (const std::exception_ptr& exception : thrown)
    if (exception) std::rethrow_exception(exception);
}

}  // namespace mpsearch::solver
