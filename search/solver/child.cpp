#include "search/solver/child.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/error.h"

namespace mpsearch::solver {
namespace {

enum Exit { kAnswered = 0, kThrew = 1, kOutOfMemory = 2 };

/// How often the stop flag is looked at.
constexpr int kPollMs = 20;

/// How long after it should have stopped the child is waited for: a relaxation that is begun looks
/// at no limit.
constexpr std::chrono::milliseconds kGrace{1000};

[[noreturn]] void fail(const char* call) {
  throw Error(ErrorKind::OutOfMemory, {.what = "no process can be started for the solver CBC",
                                       .at = call,
                                       .why = std::strerror(errno),
                                       .try_ = "free memory, or --solver exact"});
}

/// A flag that parent and child share.
class SharedFlag {
 public:
  SharedFlag() {
    void* page = mmap(nullptr, sizeof(std::atomic<bool>), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) fail("mmap");
    flag_ = new (page) std::atomic<bool>(false);
  }
  ~SharedFlag() { munmap(flag_, sizeof(*flag_)); }
  SharedFlag(const SharedFlag&) = delete;
  SharedFlag& operator=(const SharedFlag&) = delete;

  std::atomic<bool>& get() { return *flag_; }

 private:
  std::atomic<bool>* flag_ = nullptr;
};

/// What an Answer is in the pipe, before its choice.
struct Head {
  SolveStatus status;
  double bound;
  std::int64_t nodes;
  bool interrupted;
  std::size_t layers;
};

void send(int pipe, const void* data, std::size_t size) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = write(pipe, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) _exit(kThrew);
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
}

[[noreturn]] void be_child(int pipe, const itimerval& timer, const std::function<Answer()>& work) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  setitimer(ITIMER_PROF, &timer, nullptr);
  try {
    const Answer answer = work();
    const Head head{answer.status, answer.bound, answer.nodes, answer.interrupted,
                    answer.choice.size()};
    send(pipe, &head, sizeof(head));
    send(pipe, answer.choice.data(), answer.choice.size() * sizeof(int));
  } catch (const std::bad_alloc&) {
    _exit(kOutOfMemory);
  } catch (...) {
    _exit(kThrew);
  }
  _exit(kAnswered);
}

/// All that the child writes until it ends; passes the caller's wish to stop on. Empty where it had
/// to be ended.
std::optional<std::string> receive(int pipe, pid_t child, const Patience& patience,
                                   std::atomic<bool>& stop) {
  using Clock = std::chrono::steady_clock;
  std::optional<Clock::time_point> end;
  std::string got;
  char part[4096];
  while (true) {
    if (patience.interrupted()) stop = true;
    if (!end && patience.over()) end = Clock::now() + kGrace;
    if (end && Clock::now() > *end) {
      kill(child, SIGKILL);
      return std::nullopt;
    }
    pollfd ready{pipe, POLLIN, 0};
    if (poll(&ready, 1, kPollMs) <= 0) continue;
    const ssize_t count = read(pipe, part, sizeof(part));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return got;
    got.append(part, static_cast<std::size_t>(count));
  }
}

std::string end_of(int status) {
  if (WIFSIGNALED(status))
    return std::string("its process was ended by a signal (") + strsignal(WTERMSIG(status)) + ")";
  return "its process ended without an answer";
}

/// Of a child that ended without an answer.
Answer no_answer() {
  Answer answer;
  answer.bound = -std::numeric_limits<double>::infinity();
  return answer;
}

Answer read_answer(const std::string& got, int status) {
  Answer answer = no_answer();
  Head head{};
  const bool answered = WIFEXITED(status) && WEXITSTATUS(status) == kAnswered;
  if (!answered || got.size() < sizeof(head)) {
    answer.failure = end_of(status);
    return answer;
  }
  std::memcpy(&head, got.data(), sizeof(head));
  answer.status = head.status;
  answer.bound = head.bound;
  answer.nodes = head.nodes;
  answer.interrupted = head.interrupted;
  answer.choice.resize(head.layers);
  require(got.size() == sizeof(head) + head.layers * sizeof(int), ErrorKind::Internal,
          "the answer of the solver's process has another length than it says");
  if (head.layers > 0)
    std::memcpy(answer.choice.data(), got.data() + sizeof(head), head.layers * sizeof(int));
  return answer;
}

}  // namespace

double seconds_of_children() {
  rusage spent{};
  getrusage(RUSAGE_CHILDREN, &spent);
  double seconds = 0;
  for (const timeval& time : {spent.ru_utime, spent.ru_stime})
    seconds += static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  return seconds;
}

Answer answer_of_child(const std::function<Answer(const std::atomic<bool>& stop)>& work,
                       const Patience& patience) {
  SharedFlag stop;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
  itimerval timer{};
  getitimer(ITIMER_PROF, &timer);
  std::fflush(nullptr);  // else the child could write what is buffered once more
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    be_child(ends[1], timer, [&] { return work(stop.get()); });
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    fail("fork");
  }
  const std::optional<std::string> got = receive(ends[0], child, patience, stop.get());
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == kOutOfMemory) throw std::bad_alloc();
  return got ? read_answer(*got, status) : no_answer();
}

}  // namespace mpsearch::solver
