#include "tests/support/npz.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "tests/support/index.h"

namespace mpsearch::reference {
namespace {

template <class T>
T read(const std::string& bytes, std::size_t at) {
  T value;
  if (at + sizeof value > bytes.size()) throw std::runtime_error("NPZ ends early");
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <class T>
Numbers numbers(const std::string& bytes, std::size_t at, std::size_t count) {
  Numbers values;
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(static_cast<double>(read<T>(bytes, at + i * sizeof(T))));
  }
  return values;
}

/// The text between `before` and `after` in the header of an NPY file.
std::string between(const std::string& text, const std::string& before, char after) {
  const std::size_t from = text.find(before) + before.size();
  return text.substr(from, text.find(after, from) - from);
}

/// The NPY file that begins at `at` (numpy.lib.format, versions 1 and 2).
Array read_npy(const std::string& bytes, std::size_t at) {
  const bool first = bytes.at(at + 6) == 1;
  const std::size_t length =
      first ? read<std::uint16_t>(bytes, at + 8) : read<std::uint32_t>(bytes, at + 8);
  const std::size_t begin = at + (first ? 10 : 12);
  const std::string header = bytes.substr(begin, length);
  if (header.find("'fortran_order': False") == std::string::npos) {
    throw std::runtime_error("NPY in column-major order");
  }
  Array array;
  std::istringstream dims(between(header, "'shape': (", ')'));
  for (std::string dim; std::getline(dims, dim, ',');) {
    if (dim.find_first_of("0123456789") != std::string::npos) {
      array.shape.push_back(std::stoll(dim));
    }
  }
  const std::string type = between(header, "'descr': '", '\'');
  const std::size_t data = begin + length;
  const std::size_t count = count_of(array.shape);
  if (type == "<f4") array.numbers = numbers<float>(bytes, data, count);
  if (type == "<f8") array.numbers = numbers<double>(bytes, data, count);
  if (type == "<i4") array.numbers = numbers<std::int32_t>(bytes, data, count);
  if (type == "<i8") array.numbers = numbers<std::int64_t>(bytes, data, count);
  if (type == "|u1") array.numbers = numbers<std::uint8_t>(bytes, data, count);
  if (array.numbers.size() != count) throw std::runtime_error("NPY of type " + type);
  return array;
}

}  // namespace

std::map<std::string, Array> read_npz(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  // ZIP (APPNOTE 4.3): the end record points to the central directory, its entries to the members.
  const std::size_t end = bytes.rfind("PK\x05\x06");
  if (end == std::string::npos) throw std::runtime_error(path + " is no ZIP file");
  const std::size_t members = read<std::uint16_t>(bytes, end + 10);
  std::size_t entry = read<std::uint32_t>(bytes, end + 16);
  std::map<std::string, Array> arrays;
  for (std::size_t i = 0; i < members; ++i) {
    if (read<std::uint16_t>(bytes, entry + 10) != 0) {
      throw std::runtime_error(path + " is compressed");
    }
    const std::size_t name_length = read<std::uint16_t>(bytes, entry + 28);
    const std::string name = bytes.substr(entry + 46, name_length);
    const std::size_t local = read<std::uint32_t>(bytes, entry + 42);
    const std::size_t data = local + 30 + read<std::uint16_t>(bytes, local + 26) +
                             read<std::uint16_t>(bytes, local + 28);
    arrays[name.substr(0, name.size() - std::string(".npy").size())] = read_npy(bytes, data);
    entry += 46 + name_length + read<std::uint16_t>(bytes, entry + 30) +
             read<std::uint16_t>(bytes, entry + 32);
  }
  return arrays;
}

}  // namespace mpsearch::reference
