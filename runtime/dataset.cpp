#include "runtime/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "runtime/dataset_readers.h"
#include "runtime/shuffle.h"

namespace mpsearch {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLayouts =
    "accepted: a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte (t10k-... to "
    "evaluate; .gz or not), a folder with CIFAR's .bin files, FILE.npz, inputs.npy,target.npy, "
    "images-idx3-ubyte,labels-idx1-ubyte, synthetic";

struct Arrays {
  std::vector<DataArray> inputs;
  std::vector<DataArray> targets;
};

/// The first arrays are inputs, the last ones targets.
Arrays split(std::vector<DataArray> arrays, std::size_t targets) {
  Arrays parts;
  const std::size_t inputs = arrays.size() - std::min(targets, arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    (i < inputs ? parts.inputs : parts.targets).push_back(std::move(arrays[i]));
  }
  return parts;
}

Arrays images_and_labels(DataArray images, DataArray labels) {
  Arrays arrays;
  arrays.inputs.push_back(std::move(images));
  arrays.targets.push_back(std::move(labels));
  return arrays;
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

[[noreturn]] void fail_missing(const std::string& path) {
  fs::path wanted = fs::absolute(path).lexically_normal();
  if (!wanted.has_filename()) wanted = wanted.parent_path();
  std::error_code ignored;
  while (wanted.has_relative_path() && !fs::exists(wanted.parent_path(), ignored)) {
    wanted = wanted.parent_path();
  }
  const std::string folder = wanted.parent_path().string();
  const std::string nearest = did_you_mean_file(path);
  throw Error(ErrorKind::Missing,
              {.what = "the data do not exist",
               .at = path,
               .why = fmt::format("{} has no {}", folder, wanted.filename().string()),
               .try_ = nearest.empty() ? "a path that exists, or --data synthetic" : nearest});
}

/// The file of a folder under one of its usual names: with - or . before idx, packed or not.
std::optional<std::string> idx_file(const fs::path& folder, const std::string& stem, int rank) {
  for (const char* dash : {"-", "."}) {
    for (const char* ending : {"", ".gz"}) {
      const fs::path path = folder / fmt::format("{}{}idx{}-ubyte{}", stem, dash, rank, ending);
      std::error_code ignored;
      if (fs::exists(path, ignored)) return path.string();
    }
  }
  return std::nullopt;
}

std::optional<Arrays> read_idx_pair(const fs::path& folder, const std::string& stem) {
  const auto images = idx_file(folder, stem + "-images", 3);
  const auto labels = idx_file(folder, stem + "-labels", 1);
  if (!images && !labels) return std::nullopt;
  if (!images || !labels) {
    throw Error(ErrorKind::Missing,
                {.what = fmt::format("the folder has {} without {}", images ? "images" : "labels",
                                     images ? "labels" : "images"),
                 .at = folder.string(),
                 .why = "found " + fs::path(images ? *images : *labels).filename().string(),
                 .try_ = kLayouts});
  }
  return images_and_labels(read_idx(*images), read_idx(*labels));
}

std::optional<Arrays> read_cifar_files(const fs::path& folder, bool train) {
  std::vector<std::string> ten, hundred;
  for (const std::string& name : names_in(folder)) {
    const std::string path = (folder / name).string();
    const bool batch = train ? name.starts_with("data_batch_") : name == "test_batch.bin";
    if (batch && name.ends_with(".bin")) ten.push_back(path);
    if (name == (train ? "train.bin" : "test.bin")) hundred.push_back(path);
  }
  if (ten.empty() && hundred.empty()) return std::nullopt;
  ImagesAndLabels cifar = ten.empty() ? read_cifar(hundred, 2) : read_cifar(ten, 1);
  return images_and_labels(std::move(cifar.images), std::move(cifar.labels));
}

DataArray read_array_file(const std::string& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) fail_missing(path);
  const FileBytes bytes = FileBytes::map(path);
  if (starts_with(bytes.view(), "\x93NUMPY")) return read_npy(path);
  const bool idx = starts_with(bytes.view(), "\x1f\x8b") ||
                   starts_with(bytes.view(), std::string_view("\0\0", 2));
  if (idx) return read_idx(path);
  refuse_data("the layout of the data is not known", path,
              bytes.view().empty() ? "the file is empty" : "neither NPY, NPZ nor IDX", kLayouts);
}

Arrays read_list(const std::string& spec, const DataRequest& request) {
  std::vector<DataArray> arrays;
  std::size_t start = 0;
  while (start <= spec.size()) {
    const std::size_t end = std::min(spec.find(',', start), spec.size());
    arrays.push_back(read_array_file(spec.substr(start, end - start)));
    start = end + 1;
  }
  if (arrays.size() < 1 + request.targets.size()) {
    throw Error(ErrorKind::Usage, {.what = "--data names inputs without a target",
                                   .at = spec,
                                   .why = {},
                                   .try_ = fmt::format("--data {},TARGET", spec)});
  }
  return split(std::move(arrays), request.targets.size());
}

/// "x [samples, 1, 28, 28] F32; target [samples, ...], classes or numbers".
std::string arrays_text(const DataRequest& request) {
  std::string text;
  for (const ArrayRequest& input : request.inputs) {
    text += input.name + " [samples";
    for (const std::int64_t dim : input.sample_shape) {
      text += dim < 0 ? ", any" : fmt::format(", {}", dim);
    }
    text += fmt::format("] {}; ", name_of(input.dtype));
  }
  for (const ArrayRequest& target : request.targets) {
    text += fmt::format("{} [samples, ...], classes or numbers{}", target.name,
                        &target == &request.targets.back() ? "" : "; ");
  }
  return text;
}

Arrays read_file(const std::string& path, const DataRequest& request) {
  if (!starts_with(FileBytes::map(path).view(), "PK\x03\x04")) return read_list(path, request);
  std::vector<std::string> names;
  for (const ArrayRequest& input : request.inputs) names.push_back(input.name);
  for (const ArrayRequest& target : request.targets) names.push_back(target.name);
  try {
    return split(read_npz(path, names, arrays_text(request)), request.targets.size());
  } catch (const Error& error) {
    ErrorText text = error.text();
    if (!text.try_.empty() || error.kind() != ErrorKind::BadContent) throw;
    for (std::string& name : names) name = fmt::format("\"{}\": ...", name);
    text.try_ = fmt::format("numpy.savez(\"{}\", **{{{}}})", path, fmt::join(names, ", "));
    throw Error(error.kind(), std::move(text));
  }
}

Arrays synthetic(const DataRequest& request) {
  std::uint64_t stream = 0;
  const auto array = [&](const ArrayRequest& wanted) {
    Shape shape = wanted.sample_shape;
    for (std::int64_t& dim : shape) {
      if (dim >= 0) continue;
      throw Error(ErrorKind::Usage, {.what = "synthetic data need a fixed shape",
                                     .at = "input " + wanted.name,
                                     .why = "its shape is " + to_string(wanted.sample_shape),
                                     .try_ = fmt::format("--input {}=SHAPE", wanted.name)});
    }
    const DType dtype = wanted.dtype == DType::F32 ? DType::F32 : DType::I64;
    const SyntheticValues values{mix_bits(mix_bits(request.seed) + ++stream),
                                 wanted.integers_below};
    return DataArray("synthetic", dtype, request.synthetic_samples, shape, values);
  };
  Arrays arrays;
  for (const ArrayRequest& input : request.inputs) arrays.inputs.push_back(array(input));
  for (const ArrayRequest& target : request.targets) arrays.targets.push_back(array(target));
  return arrays;
}

/// Checks that the arrays belong together and fits the inputs to the model's shapes and types.
Dataset fit(const std::string& spec, Arrays arrays, const DataRequest& request) {
  if (arrays.inputs.size() != request.inputs.size() ||
      arrays.targets.size() != request.targets.size()) {
    std::vector<std::string> names;
    for (const ArrayRequest& input : request.inputs) names.push_back(input.name);
    const std::string targets = request.targets.size() == 1
                                    ? "a target"
                                    : fmt::format("{} targets", request.targets.size());
    refuse_data("the data do not fit the model", spec,
                fmt::format("got {} inputs and {}, expected {}: {}", arrays.inputs.size(), targets,
                            names.size(), fmt::join(names, ", ")));
  }
  const DataArray& first = arrays.targets.at(0);
  const auto require_as_many = [&](const DataArray& array) {
    if (array.samples() == first.samples()) return;
    refuse_data(
        "inputs and target differ in number", array.origin(),
        fmt::format("{} samples, but {} in {}", array.samples(), first.samples(), first.origin()),
        "arrays whose first dimensions are equal: a row for each sample");
  };
  for (const DataArray& target : arrays.targets) require_as_many(target);
  for (std::size_t i = 0; i < arrays.inputs.size(); ++i) {
    DataArray& array = arrays.inputs[i];
    const ArrayRequest& wanted = request.inputs[i];
    const std::string user = "the model's input " + wanted.name;
    require_as_many(array);
    array.require_writable_as(wanted.dtype, user);
    array.reshape(wanted.sample_shape, user);
    if (wanted.dtype == DType::F32) {
      array.normalize({array.dtype() == DType::U8, request.mean, request.std});
    } else if (wanted.integers_below > 0) {
      array.require_below(wanted.integers_below,
                          fmt::format("{} takes values below {}", user, wanted.integers_below));
    }
  }
  return {spec, std::move(arrays.inputs), std::move(arrays.targets)};
}

}  // namespace

std::string Dataset::content_hash() const {
  std::uint64_t hash = 0;
  for (const DataArray& target : targets) hash = target.hash(hash);
  for (const DataArray& input : inputs) hash = input.hash(hash);
  return fmt::format("{:016x}", hash);
}

DataSplits open_data(const std::string& spec, const DataRequest& request) {
  if (spec == "synthetic") return {fit(spec, synthetic(request), request), std::nullopt};
  std::error_code ignored;
  if (!fs::exists(spec, ignored)) {
    if (spec.find(',') == std::string::npos) fail_missing(spec);
    return {fit(spec, read_list(spec, request), request), std::nullopt};
  }
  if (!fs::is_directory(spec, ignored)) {
    return {fit(spec, read_file(spec, request), request), std::nullopt};
  }
  std::optional<Arrays> train = read_idx_pair(spec, "train");
  std::optional<Arrays> evaluate = read_idx_pair(spec, "t10k");
  if (!train && !evaluate) {
    train = read_cifar_files(spec, true);
    evaluate = read_cifar_files(spec, false);
  }
  if (!train) std::swap(train, evaluate);
  if (!train) {
    std::vector<std::string> names = names_in(spec);
    const std::size_t count = names.size();
    names.resize(std::min<std::size_t>(count, 5));
    refuse_data("the layout of the data folder is not known", spec,
                count == 0 ? "it is empty"
                           : fmt::format("it holds {} entries: {}{}", count, fmt::join(names, ", "),
                                         count > 5 ? ", ..." : ""),
                kLayouts);
  }
  DataSplits splits{fit(spec, std::move(*train), request), std::nullopt};
  if (evaluate) splits.evaluate = fit(spec, std::move(*evaluate), request);
  return splits;
}

}  // namespace mpsearch
