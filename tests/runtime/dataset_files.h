// Hand-made data files for the tests of the readers.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/dataset.h"

namespace mpsearch {

/// IDX bytes of type `code` with a big-endian header.
inline std::string idx(int code, const std::vector<std::uint32_t>& dims, const std::string& data) {
  std::string bytes{'\0', '\0', static_cast<char>(code), static_cast<char>(dims.size())};
  for (const std::uint32_t dim : dims) {
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(dim >> shift);
  }
  return bytes + data;
}

inline std::string gzip(const std::string& content) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, content.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// Version 1 NPY bytes, with `dictionary` as its header.
inline std::string npy(const std::string& dictionary, const std::string& data) {
  const std::string header = dictionary + "\n";
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size() & 255) +
         static_cast<char>(header.size() >> 8) + header + data;
}

template <typename T>
std::string bytes_of_values(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::string npy_floats(const std::string& shape, const std::vector<float>& values) {
  return npy("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + "}",
             bytes_of_values(values));
}

inline std::string npy_labels(const std::vector<std::int64_t>& values) {
  return npy(
      "{'descr': '<i8', 'fortran_order': False, 'shape': (" + std::to_string(values.size()) + ",)}",
      bytes_of_values(values));
}

inline DataRequest wants(Shape sample_shape, DType dtype = DType::F32) {
  DataRequest request;
  request.inputs.push_back({"x", dtype, std::move(sample_shape)});
  request.targets.push_back({"target", DType::I64, {}});
  return request;
}

template <typename T>
std::vector<T> values_of(const DataArray& array, const std::vector<std::int64_t>& samples) {
  const DType dtype = std::is_same_v<T, float>          ? DType::F32
                      : std::is_same_v<T, std::int32_t> ? DType::I32
                                                        : DType::I64;
  const auto elements = static_cast<std::size_t>(elements_of(array.sample_shape()));
  std::vector<T> values(samples.size() * elements);
  array.write(samples, dtype, reinterpret_cast<std::byte*>(values.data()));
  return values;
}

}  // namespace mpsearch
