#include <fmt/format.h>

#include <charconv>

#include "kernels/error.h"
#include "runtime/dataset_readers.h"

namespace mpsearch {
namespace {

/// Reads the Python dictionary of an NPY header (numpy.lib.format), strictly: the three keys, each
/// once, in any order.
class NpyDictionary {
 public:
  NpyDictionary(std::string_view text, const std::string& origin) : text_(text), origin_(origin) {}

  NpyHeader read() {
    NpyHeader header;
    int seen = 0;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr") {
        header.format = element_format();
        seen |= 1;
      } else if (key == "fortran_order") {
        header.column_major = boolean();
        seen |= 2;
      } else if (key == "shape") {
        header.shape = tuple();
        seen |= 4;
      } else {
        fail(fmt::format("unknown key '{}'", key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (seen != 7) fail("one of descr, fortran_order, shape is missing");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    refuse_data("the NPY header is damaged", origin_, fmt::format("byte {}: {}", at_, why));
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accept(char c) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("expected '{}'", c));
  }
  bool accept_word(std::string_view word) {
    skip_spaces();
    if (!text_.substr(std::min(at_, text_.size())).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  std::string_view quoted() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail("a string without its end");
    const std::string_view word = text_.substr(at_, end - at_);
    at_ = end + 1;
    return word;
  }
  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) fail("expected True or False");
    return false;
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      skip_spaces();
      std::int64_t value = 0;
      const char* first = text_.data() + at_;
      const auto [end, code] = std::from_chars(first, text_.data() + text_.size(), value);
      if (code != std::errc() || value < 0) fail("expected a dimension");
      at_ += static_cast<std::size_t>(end - first);
      shape.push_back(value);
      if (shape.size() > 32) fail("more than 32 dimensions");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }
  ElementFormat element_format() {
    skip_spaces();
    if (at_ < text_.size() && text_[at_] == '[') unsupported("a structured type");
    const std::string_view descr = quoted();
    if (descr.size() != 3 || std::string_view("<>|=").find(descr[0]) == std::string_view::npos) {
      unsupported(descr);
    }
    const ElementFormat format{descr[1], static_cast<std::size_t>(descr[2] - '0'), descr[0] == '>'};
    const std::string_view pair = descr.substr(1);
    for (const std::string_view known :
         {"u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "b1"}) {
      if (pair == known) return format;
    }
    unsupported(descr);
  }
  [[noreturn]] void unsupported(std::string_view type) const {
    refuse_data("an array type that cannot be read", origin_, fmt::format("it holds {}", type),
                "store it as numbers: x.astype('float32'), or 'int64' for labels");
  }

  std::string_view text_;
  const std::string& origin_;
  std::size_t at_ = 0;
};

}  // namespace

NpyHeader npy_header(std::span<const std::byte> head, const std::string& origin) {
  if (!starts_with(head, "\x93NUMPY")) {
    refuse_data("not an NPY array", origin, "it does not start with \\x93NUMPY");
  }
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(head[i]); };
  const bool complete = head.size() >= 12;
  if (complete && (byte(6) < 1 || byte(6) > 3)) {
    refuse_data("an NPY version that cannot be read", origin,
                fmt::format("version {}.{}; 1 to 3 are known", byte(6), byte(7)));
  }
  std::size_t start = 0, length = 0;
  if (complete) {
    start = byte(6) == 1 ? 10 : 12;
    length = byte(8) | byte(9) << 8;
    if (byte(6) > 1) length |= byte(10) << 16 | byte(11) << 24;
  }
  if (!complete || head.size() - start < length) {
    refuse_data(
        "the file is truncated", origin,
        fmt::format("an NPY header of {} bytes; the file has {}", start + length, head.size()));
  }
  const std::string_view text(reinterpret_cast<const char*>(head.data()) + start, length);
  NpyHeader header = NpyDictionary(text, origin).read();
  header.size = start + length;
  return header;
}

DataArray read_npy(const std::string& path) {
  const FileBytes bytes = FileBytes::map(path);
  const NpyHeader header = npy_header(bytes.view(), path);
  return array_of(path, bytes, header.size, header.format, header.shape, header.column_major);
}

}  // namespace mpsearch
