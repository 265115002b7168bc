// GroupNormalization (and InstanceNormalization, where a group is a channel) in both layouts. Every
// channel of every sample has moments of its own, which are merged to those of its group in order:
// no result depends on the number of threads.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/group.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/stream.h"
#include "kernels/math/batch_norm.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::int64_t kRun = 32;  // rows that are added in F32 before they go to F64

std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// ChannelsLast images are worked on in tiles: some channels of a part of the positions. RowMajor
/// ones in planes, one channel of one sample.
struct Images {
  std::int64_t samples = 1, channels = 1, positions = 1, groups = 1;
  bool last = false;

  std::int64_t width() const { return channels / groups; }
  std::int64_t tiles() const { return divided_up(channels, kChunk); }
  std::int64_t part() const {
    const std::int64_t cheap = divided_up(kBlock, std::min(channels, kChunk));
    return last ? std::max(cheap, divided_up(positions, 32)) : positions;
  }
  std::int64_t parts() const { return divided_up(positions, part()); }
  /// Floats that hold one number for each channel, sample and part, and without the parts.
  std::int64_t all() const { return parts() * rows(); }
  std::int64_t rows() const { return samples * channels; }
};

Images images_of(const KernelCall& call, const TensorType& x) {
  return {.samples = x.shape[0],
          .channels = x.shape[1],
          .positions = x.elements() / (x.shape[0] * x.shape[1]),
          .groups = call.attributes.integer("num_groups", 1),
          .last = x.form.layout == Layout::ChannelsLast};
}

/// What a sum is taken of: adds one number an element to `sum`.
template <class F>
struct Sums {
  const Images& images;
  const F& add;  // (offset, count, first channel's number, sum, per_column)

  /// Sums of the positions [begin, end) of a sample for `count` channels from `channel` on.
  void columns(std::int64_t sample, std::int64_t begin, std::int64_t end, std::int64_t channel,
               std::int64_t count, double* total) const {
    alignas(64) float run[kChunk];
    std::fill_n(total, count, 0.0);
    for (std::int64_t first = begin; first < end; first += kRun) {
      std::fill_n(run, count, 0.0F);
      for (std::int64_t at = first; at < std::min(end, first + kRun); ++at) {
        add((sample * images.positions + at) * images.channels + channel, count, run);
      }
      for (std::int64_t i = 0; i < count; ++i) total[i] += double{run[i]};
    }
  }
};

/// Calls f(sample, part, begin, end, channel, count) for every tile, in parallel.
template <class F>
void for_each_tile(const Images& images, const F& f) {
  const std::int64_t tiles = images.tiles(), parts = images.parts();
  for_each_block(images.samples * parts * tiles, 1,
                 [&](std::int64_t task, std::int64_t, std::int64_t) {
                   const std::int64_t sample = task / (parts * tiles);
                   const std::int64_t part = task / tiles % parts;
                   const std::int64_t channel = task % tiles * kChunk;
                   f(sample, part, part * images.part(),
                     std::min(images.positions, (part + 1) * images.part()), channel,
                     std::min(kChunk, images.channels - channel));
                 });
}

/// Calls f(row) for every plane, in parallel.
template <class F>
void for_each_plane(const Images& images, const F& f) {
  const std::int64_t planes = std::max<std::int64_t>(1, kBlock / images.positions);
  for_each_block(images.rows(), planes, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) f(row);
  });
}

/// Calls f(offset, count) for the chunks of a plane.
template <class F>
void for_each_chunk(const Images& images, std::int64_t row, const F& f) {
  for (std::int64_t at = 0; at < images.positions; at += kChunk) {
    f(row * images.positions + at, std::min(kChunk, images.positions - at));
  }
}

struct Forward {
  Reader x;
  const float* gamma;
  const float* beta;
  Writer y;
  float* mean;    // [samples, groups], or null
  float* invstd;  // or null
  Images images;
  float epsilon;
  float* means;    // of each channel and part, then of its group
  float* squares;  // sum of squares about the mean, then the channel's factor

  void operator()() const {
    if (images.last) {
      for_each_tile(images, [&](auto... tile) { tile_moments(tile...); });
    } else {
      for_each_plane(images, [&](std::int64_t row) { plane_moments(row); });
    }
    for_each_block(images.samples * images.groups, 16,
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t group = begin; group < end; ++group) merge_group(group);
                   });
    if (images.last) {
      for_each_tile(images, [&](auto... tile) { write_tile(tile...); });
    } else {
      for_each_plane(images, [&](std::int64_t row) { write_plane(row); });
    }
  }

 private:
  void tile_moments(std::int64_t sample, std::int64_t part, std::int64_t begin, std::int64_t end,
                    std::int64_t channel, std::int64_t count) const {
    alignas(64) float buffer[kChunk], centre[kChunk];
    double total[kChunk];
    const auto rows = static_cast<double>(end - begin);
    const auto add = [&](std::int64_t offset, std::int64_t n, float* sum) {
      Group().map(
          n, [](float v, float s) { return s + v; }, Out{sum}, x(offset, n, buffer),
          static_cast<const float*>(sum));
    };
    Sums{images, add}.columns(sample, begin, end, channel, count, total);
    for (std::int64_t i = 0; i < count; ++i) centre[i] = static_cast<float>(total[i] / rows);
    const auto add_square = [&](std::int64_t offset, std::int64_t n, float* sum) {
      Group().map(
          n, [](float v, float m, float s) { return s + (v - m) * (v - m); }, Out{sum},
          x(offset, n, buffer), static_cast<const float*>(centre), static_cast<const float*>(sum));
    };
    Sums{images, add_square}.columns(sample, begin, end, channel, count, total);
    const std::int64_t at = part * images.rows() + sample * images.channels + channel;
    std::copy_n(centre, count, means + at);
    for (std::int64_t i = 0; i < count; ++i) squares[at + i] = static_cast<float>(total[i]);
  }

  void plane_moments(std::int64_t row) const {
    alignas(64) float buffer[kChunk];
    double sum = 0, square = 0;
    for_each_chunk(images, row, [&](std::int64_t offset, std::int64_t n) {
      sum += double{Group().reduce<Sum>(
          n, [](float v) { return v; }, x(offset, n, buffer))};
    });
    const auto centre = static_cast<float>(sum / static_cast<double>(images.positions));
    for_each_chunk(images, row, [&](std::int64_t offset, std::int64_t n) {
      square += double{Group().reduce<Sum>(
          n, [=](float v) { return (v - centre) * (v - centre); }, x(offset, n, buffer))};
    });
    means[row] = centre;
    squares[row] = static_cast<float>(square);
  }

  void merge_group(std::int64_t group) const {
    const std::int64_t first = group * images.width();
    Moments all{0, 0, 0};
    for (std::int64_t part = 0; part < images.parts(); ++part) {
      const std::int64_t rows = std::min(images.part(), images.positions - part * images.part());
      for (std::int64_t row = first; row < first + images.width(); ++row) {
        const std::int64_t at = part * images.rows() + row;
        all = merge(all, {static_cast<double>(rows), means[at], squares[at]});
      }
    }
    const NormStats stats = batch_norm_stats(all, epsilon);
    if (mean != nullptr) mean[group] = stats.mean;
    if (invstd != nullptr) invstd[group] = stats.invstd;
    for (std::int64_t row = first; row < first + images.width(); ++row) {
      means[row] = stats.mean;
      squares[row] = stats.invstd * gamma[row % images.channels];
    }
  }

  void write_tile(std::int64_t sample, std::int64_t, std::int64_t begin, std::int64_t end,
                  std::int64_t channel, std::int64_t count) const {
    alignas(64) float buffer[kChunk];
    const float* m = means + sample * images.channels + channel;
    const float* s = squares + sample * images.channels + channel;
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t offset = (sample * images.positions + at) * images.channels + channel;
      const float* from = x(offset, count, buffer);
      Group().map(
          count, [](float v, float a, float f, float b) { return (v - a) * f + b; },
          Out{y.place(offset, buffer)}, from, m, s, beta + channel);
      y.done(offset, count, buffer);
    }
  }

  void write_plane(std::int64_t row) const {
    alignas(64) float buffer[kChunk];
    const float m = means[row], s = squares[row], b = beta[row % images.channels];
    for_each_chunk(images, row, [&](std::int64_t offset, std::int64_t n) {
      const float* from = x(offset, n, buffer);
      Group().map(
          n, [=](float v) { return (v - m) * s + b; }, Out{y.place(offset, buffer)}, from);
      y.done(offset, n, buffer);
    });
  }
};

/// dx = invstd (g - mean(g) - x_hat mean(g x_hat)) with g = dy gamma, the means over the group.
struct Backward {
  Reader dy, x;
  const float* gamma;
  const float* mean;
  const float* invstd;
  Writer dx;
  float* dgamma;
  float* dbeta;
  Images images;
  float* slopes;   // sums of dy of each channel and part
  float* hats;     // sums of dy x_hat
  float* centre;   // of each channel: its group's mean, then what dx is made of
  float* factor;   // times dy
  float* shift;    // less this
  float* against;  // times x - mean, less this

  void operator()() const {
    for_each_plane(images, [&](std::int64_t row) { centre[row] = mean[row / images.width()]; });
    if (images.last) {
      for_each_tile(images, [&](auto... tile) { tile_sums(tile...); });
    } else {
      for_each_plane(images, [&](std::int64_t row) { plane_sums(row); });
    }
    for_each_block(images.samples * images.groups, 16,
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t group = begin; group < end; ++group) merge_group(group);
                   });
    for_each_block(images.channels, 64, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t channel = begin; channel < end; ++channel) sum_channel(channel);
    });
    if (images.last) {
      for_each_tile(images, [&](auto... tile) { write_tile(tile...); });
    } else {
      for_each_plane(images, [&](std::int64_t row) { write_plane(row); });
    }
  }

 private:
  void tile_sums(std::int64_t sample, std::int64_t part, std::int64_t begin, std::int64_t end,
                 std::int64_t channel, std::int64_t count) const {
    alignas(64) float g[kChunk], v[kChunk];
    double total[kChunk];
    const std::int64_t row = sample * images.channels + channel;
    const std::int64_t at = part * images.rows() + row;
    const auto add = [&](std::int64_t offset, std::int64_t n, float* sum) {
      Group().map(
          n, [](float slope, float s) { return s + slope; }, Out{sum}, dy(offset, n, g),
          static_cast<const float*>(sum));
    };
    Sums{images, add}.columns(sample, begin, end, channel, count, total);
    for (std::int64_t i = 0; i < count; ++i) slopes[at + i] = static_cast<float>(total[i]);
    const auto add_hat = [&](std::int64_t offset, std::int64_t n, float* sum) {
      Group().map(
          n, [](float slope, float value, float m, float s) { return s + slope * (value - m); },
          Out{sum}, dy(offset, n, g), x(offset, n, v), static_cast<const float*>(centre + row),
          static_cast<const float*>(sum));
    };
    Sums{images, add_hat}.columns(sample, begin, end, channel, count, total);
    for (std::int64_t i = 0; i < count; ++i) {
      hats[at + i] = static_cast<float>(total[i] * double{invstd[(row + i) / images.width()]});
    }
  }

  void plane_sums(std::int64_t row) const {
    alignas(64) float g[kChunk], v[kChunk];
    const float m = centre[row];
    double sum = 0, hat = 0;
    for_each_chunk(images, row, [&](std::int64_t offset, std::int64_t n) {
      const auto both = Group().reduce2<Sum, Sum>(
          n,
          [=](float slope, float value) {
            return Two<float, float>{slope, slope * (value - m)};
          },
          dy(offset, n, g), x(offset, n, v));
      sum += double{both.first};
      hat += double{both.second};
    });
    slopes[row] = static_cast<float>(sum);
    hats[row] = static_cast<float>(hat * double{invstd[row / images.width()]});
  }

  void merge_group(std::int64_t group) const {
    const std::int64_t first = group * images.width();
    double slope = 0, hat = 0;
    for (std::int64_t part = 0; part < images.parts(); ++part) {
      for (std::int64_t row = first; row < first + images.width(); ++row) {
        const double g = double{gamma[row % images.channels]};
        slope += g * double{slopes[part * images.rows() + row]};
        hat += g * double{hats[part * images.rows() + row]};
      }
    }
    const double count = static_cast<double>(images.width() * images.positions);
    const double scale = double{invstd[group]};
    for (std::int64_t row = first; row < first + images.width(); ++row) {
      factor[row] = static_cast<float>(scale * double{gamma[row % images.channels]});
      shift[row] = static_cast<float>(scale * slope / count);
      against[row] = static_cast<float>(scale * scale * hat / count);
    }
  }

  void sum_channel(std::int64_t channel) const {
    double slope = 0, hat = 0;
    for (std::int64_t at = channel; at < images.all(); at += images.channels) {
      slope += double{slopes[at]};
      hat += double{hats[at]};
    }
    dgamma[channel] = static_cast<float>(hat);
    dbeta[channel] = static_cast<float>(slope);
  }

  void write_tile(std::int64_t sample, std::int64_t, std::int64_t begin, std::int64_t end,
                  std::int64_t channel, std::int64_t count) const {
    alignas(64) float g[kChunk], v[kChunk];
    const std::int64_t row = sample * images.channels + channel;
    for (std::int64_t at = begin; at < end; ++at) {
      const std::int64_t offset = (sample * images.positions + at) * images.channels + channel;
      const float* slope = dy(offset, count, g);
      const float* value = x(offset, count, v);
      Group().map(
          count,
          [](float d, float of, float m, float f, float s, float t) {
            return d * f - s - (of - m) * t;
          },
          Out{dx.place(offset, g)}, slope, value, static_cast<const float*>(centre + row),
          static_cast<const float*>(factor + row), static_cast<const float*>(shift + row),
          static_cast<const float*>(against + row));
      dx.done(offset, count, g);
    }
  }

  void write_plane(std::int64_t row) const {
    alignas(64) float g[kChunk], v[kChunk];
    const float m = centre[row], f = factor[row], s = shift[row], t = against[row];
    for_each_chunk(images, row, [&](std::int64_t offset, std::int64_t n) {
      const float* slope = dy(offset, n, g);
      const float* value = x(offset, n, v);
      Group().map(
          n, [=](float d, float of) { return d * f - s - (of - m) * t; }, Out{dx.place(offset, g)},
          slope, value);
      dx.done(offset, n, g);
    });
  }
};

bool same_form(const TensorType& a, const TensorType& b) {
  return a.shape == b.shape && a.form.layout == b.form.layout;
}

bool all_f32(const std::vector<TensorType>& types, std::ptrdiff_t from) {
  return std::all_of(types.begin() + from, types.end(), is_f32);
}

std::vector<KernelChoice> forward_candidates(const KernelCall& call) {
  const TensorType& x = call.inputs.at(0);
  const TensorType& y = call.outputs.at(0);
  const bool fits = call.inputs.size() == 3 && streams(x, y) && same_form(x, y) &&
                    x.shape.size() >= 2 && x.elements() > 0 && all_f32(call.inputs, 1) &&
                    all_f32(call.outputs, 1);
  if (!fits) return {};
  return {{.algorithm = "loop", .workspace_bytes = 8 * images_of(call, x).all()}};
}

BoundKernel bind_forward(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Images images = images_of(call, call.inputs[0]);
  const auto output = [&](std::size_t index) {
    return index < views.outputs.size() ? reinterpret_cast<float*>(views.outputs[index].data)
                                        : nullptr;
  };
  auto* workspace = reinterpret_cast<float*>(views.workspace);
  return bound(Forward{.x = Reader(views.inputs[0]),
                       .gamma = floats(views.inputs[1]),
                       .beta = floats(views.inputs[2]),
                       .y = Writer(views.outputs[0]),
                       .mean = output(1),
                       .invstd = output(2),
                       .images = images,
                       .epsilon = static_cast<float>(call.attributes.number("epsilon", 1e-5)),
                       .means = workspace,
                       .squares = workspace + images.all()});
}

std::vector<KernelChoice> backward_candidates(const KernelCall& call) {
  const TensorType& dy = call.inputs.at(0);
  const TensorType& x = call.inputs.at(1);
  const TensorType& dx = call.outputs.at(0);
  const bool fits = call.inputs.size() == 5 && call.outputs.size() == 3 && streams(dy, dx) &&
                    streams(x, dx) && same_form(x, dx) && same_form(dy, dx) &&
                    x.shape.size() >= 2 && x.elements() > 0 && all_f32(call.inputs, 2) &&
                    all_f32(call.outputs, 1);
  if (!fits) return {};
  const Images images = images_of(call, x);
  return {{.algorithm = "loop", .workspace_bytes = 8 * images.all() + 16 * images.rows()}};
}

BoundKernel bind_backward(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Images images = images_of(call, call.inputs[1]);
  auto* sums = reinterpret_cast<float*>(views.workspace);
  float* rows = sums + 2 * images.all();
  return bound(Backward{.dy = Reader(views.inputs[0]),
                        .x = Reader(views.inputs[1]),
                        .gamma = floats(views.inputs[2]),
                        .mean = floats(views.inputs[3]),
                        .invstd = floats(views.inputs[4]),
                        .dx = Writer(views.outputs[0]),
                        .dgamma = reinterpret_cast<float*>(views.outputs[1].data),
                        .dbeta = reinterpret_cast<float*>(views.outputs[2].data),
                        .images = images,
                        .slopes = sums,
                        .hats = sums + images.all(),
                        .centre = rows,
                        .factor = rows + images.rows(),
                        .shift = rows + 2 * images.rows(),
                        .against = rows + 3 * images.rows()});
}

constexpr KernelEntry kEntries[] = {{"GroupNormalization", forward_candidates, bind_forward},
                                    {"GroupNormGrad", backward_candidates, bind_backward}};

}  // namespace

KernelTable group_norm_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
