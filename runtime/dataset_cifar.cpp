#include <fmt/format.h>

#include "runtime/dataset_readers.h"

namespace mpsearch {

ImagesAndLabels read_cifar(const std::vector<std::string>& paths, std::size_t labels) {
  const Shape image{3, 32, 32};
  const std::size_t record = labels + static_cast<std::size_t>(elements_of(image));
  std::vector<std::byte> content;
  for (const std::string& path : paths) {
    const FileBytes bytes = FileBytes::map(path);
    const std::size_t size = bytes.view().size();
    if (size == 0 || size % record != 0) {
      refuse_data("not a complete CIFAR binary file", path,
                  fmt::format("{} bytes are no multiple of a record's {}", size, record),
                  "fetch or unpack it again");
    }
    content.insert(content.end(), bytes.view().begin(), bytes.view().end());
  }
  const auto samples = static_cast<std::int64_t>(content.size() / record);
  const FileBytes bytes = FileBytes::own(std::move(content));
  return {
      DataArray(paths.front(), DType::U8, samples, image, StoredValues{bytes, labels, record}),
      DataArray(paths.front(), DType::U8, samples, {}, StoredValues{bytes, labels - 1, record})};
}

}  // namespace mpsearch
