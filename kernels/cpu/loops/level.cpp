// The table of one instruction-set level: the one function that stays visible outside of it.
#include "kernels/cpu/level.h"

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

const Level& level() {
  static const std::vector<KernelEntry> entries = [] {
    std::vector<KernelEntry> all;
    for (const KernelTable family :
         {cast_kernels(),     quantize_kernels(),     unary_kernels(),
          binary_kernels(),   dropout_kernels(),      reduce_kernels(),
          fold_kernels(),     movement_kernels(),     gather_kernels(),
          logic_kernels(),    transpose_kernels(),    batch_norm_kernels(),
          row_norm_kernels(), group_norm_kernels(),   resize_kernels(),
          scan_kernels(),     loss_kernels(),         pool_kernels(),
          softmax_kernels(),  update_kernels(),       rank_kernels(),
          scatter_kernels(),  scatter_grad_kernels(), pool_places_kernels()}) {
      all.insert(all.end(), family.begin(), family.end());
    }
    return all;
  }();
  static const Level level{.name = MPSEARCH_LEVEL_NAME,
                           .kernels = entries,
                           .convert = convert_of,
                           .convert_transposed = convert_transposed_of,
                           .finish = finish_of,
                           .accumulate = accumulate};
  return level;
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
