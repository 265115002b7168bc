// Times the import of a 100 MB model and of models with 5,000 nodes: CPU seconds, median of five
// with the least and the greatest.
//
// usage: bench_import [FOLDER for the models]
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "models/onnx/builder.h"
#include "models/onnx/import.h"

namespace mpsearch {
namespace {

namespace fs = std::filesystem;

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::string layer(OnnxBuilder& builder, const std::string& name, const std::string& x,
                  std::int64_t size) {
  const std::vector<float> weight(static_cast<std::size_t>(size * size), 0.01F);
  builder.initializer(name + ".weight", {size, size}, weight);
  const std::vector<float> bias(static_cast<std::size_t>(size), 0.0F);
  builder.initializer(name + ".bias", {size}, bias);
  return builder.node(name, "Gemm", {x, name + ".weight", name + ".bias"});
}

/// 25 layers of 1024 x 1024 weights.
void write_large(const fs::path& path) {
  OnnxBuilder builder("large");
  std::string x = builder.input("input", {"N", std::int64_t{1024}});
  for (int i = 0; i < 25; ++i) x = layer(builder, "fc" + std::to_string(i), x, 1024);
  builder.output(x, {"N", std::int64_t{1024}});
  builder.write(path);
}

/// Layers, activations and residual sums; with shape arithmetic as exporters write it, or without.
void write_long(const fs::path& path, bool shapes) {
  constexpr std::int64_t kWidth = 8;
  OnnxBuilder builder("long");
  std::string x = builder.input("input", {"N", kWidth});
  builder.initializer("zero", std::vector<std::int64_t>{0});
  builder.initializer("width", std::vector<std::int64_t>{kWidth});
  int nodes = 0;
  for (int block = 0; nodes < 5000; ++block) {
    const std::string name = "block" + std::to_string(block);
    std::string y = builder.node(name + ".relu", "Relu", {layer(builder, name, x, kWidth)});
    nodes += 3;
    if (shapes) {
      const std::string shape = builder.node(name + ".shape", "Shape", {x});
      const std::string batch = builder.node(name + ".batch", "Gather", {shape, "zero"});
      const std::string target =
          builder.node(name + ".target", "Concat", {batch, "width"}, {{"axis", std::int64_t{0}}});
      y = builder.node(name + ".reshape", "Reshape", {y, target});
      nodes += 4;
    }
    x = builder.node(name + ".add", "Add", {x, y});
  }
  builder.output(x, {"N", kWidth});
  builder.write(path);
}

void report(const std::string& what, const fs::path& path) {
  std::vector<double> seconds;
  std::size_t nodes = 0;
  for (int i = 0; i < 5; ++i) {
    const double start = cpu_seconds();
    nodes = import_model(path).graph.nodes.size();
    seconds.push_back(cpu_seconds() - start);
  }
  std::ranges::sort(seconds);
  std::printf("%-44s %6.1f MB %6zu nodes %7.3f s (%.3f to %.3f)\n", what.c_str(),
              static_cast<double>(fs::file_size(path)) / 1e6, nodes, seconds[2], seconds.front(),
              seconds.back());
}

}  // namespace
}  // namespace mpsearch

int main(int count, char** arguments) {
  namespace fs = std::filesystem;
  const fs::path folder = count > 1 ? fs::path(arguments[1]) : fs::temp_directory_path();
  const fs::path path = folder / "mpsearch-bench-import.onnx";
  mpsearch::write_large(path);
  mpsearch::report("weights", path);
  mpsearch::write_long(path, false);
  mpsearch::report("nodes", path);
  mpsearch::write_long(path, true);
  mpsearch::report("nodes with shape arithmetic", path);
  fs::remove(path);
}
