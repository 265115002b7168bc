// Console: where a verb's output goes. The result goes to stdout, everything else to stderr (and
// the log file). Used by all verbs.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace mpsearch {

struct ConsoleOptions {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  std::string log_file;  // empty: none
};

class Console {
 public:
  /// Throws CannotCreate where the log file cannot be opened.
  explicit Console(const ConsoleOptions& options);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// Whether the verb owes one JSON object instead of text.
  bool json() const { return options_.json; }
  /// Columns of the terminal on stdout; 0 where stdout is none.
  int width() const { return width_; }
  /// Whether stderr is a terminal on which a line may be drawn again (not with NO_COLOR's siblings
  /// TERM=dumb and CI, nor with -q).
  bool live() const { return live_; }
  /// Whether stderr may show colour.
  bool colour() const { return colour_; }
  bool quiet() const { return options_.quiet; }

  /// The result, to stdout. Throws InputOutput where it cannot be written; a closed pipe is no
  /// error.
  void print(std::string_view text);
  /// A message, a detail for -v, a warning or an error: one or more lines to stderr and log file.
  void note(std::string_view text);
  void detail(std::string_view text);
  void warn(std::string_view text);

  /// An error that main will show: to the log file alone.
  void log(std::string_view error);

  /// Replaces the live line; an empty text removes it. Nothing unless live().
  void set_live_line(std::string_view text);

 private:
  struct Loggers;

  ConsoleOptions options_;
  int width_ = 0;
  bool live_ = false;
  bool colour_ = false;
  std::string live_line_;
  bool log_failed_ = false;
  std::unique_ptr<Loggers> loggers_;
};

/// Whether stderr may show colour, before there is a console.
bool colour_on_stderr();

}  // namespace mpsearch
