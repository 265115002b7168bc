// Cast: any storage of floats and any layout to any other. A cast of layout alone copies the bits.
#include <cstring>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

std::vector<KernelChoice> candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 1) return {};
  const TensorType& from = call.inputs[0];
  const TensorType& to = call.outputs[0];
  const bool floats = has_storage(from.form.dtype) && has_storage(to.form.dtype);
  const bool copies = from.form.dtype == to.form.dtype && bits_of(to.form.dtype) >= 8;
  if (!(floats || copies) || from.shape != to.shape) return {};
  return {{.algorithm = "loop"}};
}

/// value = scale * stored on both sides, so this is what a stored value is multiplied by.
float factor_of(const TensorView& from, const TensorView& to) {
  const float read = from.scale != nullptr ? *from.scale : 1.0F;
  return to.scale != nullptr ? read / *to.scale : read;
}

struct CastStraight {
  TensorView from, to;
  Convert convert;  // null: a copy

  void operator()() const {
    const std::int64_t from_bytes = bits_of(from.type.form.dtype) / 8;
    const std::int64_t to_bytes = bits_of(to.type.form.dtype) / 8;
    const float factor = convert != nullptr ? factor_of(from, to) : 1.0F;
    for_each_block(
        from.type.elements(), kBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
          const std::byte* source = from.data + begin * from_bytes;
          std::byte* target = to.data + begin * to_bytes;
          if (convert != nullptr) {
            convert(source, target, end - begin, factor);
          } else {
            std::memcpy(target, source, static_cast<std::size_t>((end - begin) * to_bytes));
          }
        });
  }
};

/// Between layouts: every sample is a matrix [rows, columns] that is transposed.
struct CastTransposed {
  TensorView from, to;
  ConvertTransposed convert;
  bool copies;  // the bits: no factor
  std::int64_t samples, rows, columns;

  void operator()() const {
    constexpr std::int64_t kRows = 64;
    const std::int64_t from_bytes = bits_of(from.type.form.dtype) / 8;
    const std::int64_t to_bytes = bits_of(to.type.form.dtype) / 8;
    const std::int64_t strips = (rows + kRows - 1) / kRows;
    const float factor = copies ? 1.0F : factor_of(from, to);
    const std::int64_t strips_a_block = std::max<std::int64_t>(1, kBlock / (kRows * columns));
    for_each_block(samples * strips, strips_a_block,
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t strip = begin; strip < end; ++strip) {
                       const std::int64_t first = strip % strips * kRows;
                       const std::int64_t base = strip / strips * rows * columns;
                       convert(from.data + (base + first * columns) * from_bytes,
                               to.data + (base + first) * to_bytes, std::min(kRows, rows - first),
                               columns, columns, rows, factor);
                     }
                   });
  }
};

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const TensorType& type = call.inputs[0];
  const Form from = type.form, to = call.outputs[0].form;
  const bool copies = from.dtype == to.dtype;
  if (from.layout == to.layout) {
    return bound(CastStraight{views.inputs[0], views.outputs[0],
                              copies ? nullptr : convert_of(from.dtype, to.dtype)});
  }
  const std::int64_t samples = type.shape[0], channels = type.shape[1];
  const std::int64_t plane = channels * samples == 0 ? 0 : type.elements() / (samples * channels);
  const bool to_channels_last = to.layout == Layout::ChannelsLast;
  return bound(CastTransposed{views.inputs[0], views.outputs[0],
                              copies ? copy_transposed_of(bits_of(from.dtype) / 8)
                                     : convert_transposed_of(from.dtype, to.dtype),
                              copies, samples, to_channels_last ? channels : plane,
                              to_channels_last ? plane : channels});
}

constexpr KernelEntry kEntries[] = {{"Cast", candidates, bind}};

}  // namespace

KernelTable cast_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
