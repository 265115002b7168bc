// The file formats of data arrays, one function each: bytes of a file in, checked arrays out.
// Used by runtime/dataset.cpp. All throw BadContent for a file that is not what it claims to be.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/dataset_array.h"

namespace mpsearch {

/// One IDX file, gzip or not (the format of MNIST: yann.lecun.com/exdb/mnist, kept as U8, I32,
/// F32).
DataArray read_idx(const std::string& path);

/// One NPY file, format versions 1 to 3.
DataArray read_npy(const std::string& path);

/// The members `names` of an NPZ file, in that order; a missing one is an error with the nearest.
std::vector<DataArray> read_npz(const std::string& path, const std::vector<std::string>& names,
                                const std::string& expected = {});

/// CIFAR-10 / CIFAR-100 binary files read one after the other: images [3, 32, 32] and labels.
/// A record holds `labels` label bytes, of which the last is used, then the pixels.
struct ImagesAndLabels {
  DataArray images;
  DataArray labels;
};
ImagesAndLabels read_cifar(const std::vector<std::string>& paths, std::size_t labels);

/// How a file stores an element: kind 'u', 'i', 'f' or 'b' (bool), its size in bytes, its order.
struct ElementFormat {
  char kind = 'u';
  std::size_t size = 1;
  bool big_endian = false;
};

/// An array that fills `bytes` from `offset` to the end exactly. shape[0] counts the samples; a
/// file that is shorter or longer than the shape says is refused. Element types that are not U8,
/// I32, I64 or F32 in the machine's order, and column-major order, are converted in memory; others
/// stay where they lie.
DataArray array_of(std::string origin, FileBytes bytes, std::size_t offset, ElementFormat format,
                   const Shape& shape, bool column_major);

/// Bytes of such an array; throws BadContent on negative dimensions or overflow.
std::size_t array_bytes(const std::string& origin, ElementFormat format, const Shape& shape);

/// Throws BadContent with `what`, at `origin`.
[[noreturn]] void refuse_data(const std::string& what, const std::string& origin,
                              const std::string& why, const std::string& try_ = {});

/// Header of NPY bytes, which `head` must hold whole; `size` counts the bytes before the elements.
struct NpyHeader {
  ElementFormat format;
  bool column_major = false;
  Shape shape;
  std::size_t size = 0;
};
NpyHeader npy_header(std::span<const std::byte> head, const std::string& origin);

}  // namespace mpsearch
