// Parameters that an exporter merged because they were equal when it wrote them, and those that
// layers share by intent.
#include <algorithm>

#include "models/onnx/export.h"
#include "tests/onnx/import_fixture.h"

namespace mpsearch {
namespace {

class Merged : public Import {
 protected:
  static std::vector<std::string> parameters(const Model& model) {
    std::vector<std::string> names;
    for (const Value& value : model.graph.values) {
      if (value.kind == ValueKind::Parameter) names.push_back(value.name);
    }
    std::ranges::sort(names);
    return names;
  }

  static bool says_separate(const Model& model) {
    return std::ranges::any_of(model.notes, [](const std::string& note) {
      return note.find("separate again") != std::string::npos;
    });
  }

  static Floats weights(float first) {
    Floats values(9);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = first + static_cast<float>(i);
    return values;
  }

  /// Product, bias and norm; all calls read one gain and one zero.
  static std::string layer(OnnxBuilder& b, const std::string& name, const std::string& x,
                           const std::string& w) {
    b.node(name + ".fc", "Gemm", {x, w, "zeros"});
    return b.node(name + ".norm", "LayerNormalization", {name + ".fc", "norm.gain", "zeros"});
  }

  static void add_shared(OnnxBuilder& b, const Floats& gain) {
    b.initializer("w1", {3, 3}, weights(1));
    b.initializer("w2", {3, 3}, weights(2));
    b.initializer("norm.gain", {3}, gain);
    b.initializer("zeros", {3}, Floats(3, 0));
  }

  static std::string chain(OnnxBuilder& b) {
    add_shared(b, Floats(3, 1));
    return layer(b, "second", layer(b, "first", "x", "w1"), "w2");
  }
};

using Names = std::vector<std::string>;

TEST_F(Merged, equal_parameters_of_different_layers_train_apart) {
  const Model model = imported(chain);
  EXPECT_EQ(parameters(model),
            (Names{"first.norm.zeros", "norm.gain", "second.fc.zeros", "second.norm.gain",
                   "second.norm.zeros", "w1", "w2", "zeros"}));
  EXPECT_EQ(model.notes.front(),
            "6 parameters of one repeated number that the exporter had merged because they were "
            "equal ('norm.gain', ...) are separate again");
  EXPECT_EQ(floats(value(model, "second.norm.gain")), Floats(3, 1));
}

TEST_F(Merged, the_trained_file_carries_each_of_them) {
  const std::filesystem::path path = built(chain);
  export_trained(path, {{"norm.gain", {1, 2, 3}}, {"second.norm.gain", {4, 5, 6}}}, {},
                 folder / "trained.onnx");
  const Model trained = import_model(folder / "trained.onnx");
  EXPECT_EQ(floats(value(trained, "norm.gain")), (Floats{1, 2, 3}));
  EXPECT_EQ(floats(value(trained, "second.norm.gain")), (Floats{4, 5, 6}));
  EXPECT_EQ(parameters(trained), parameters(import_model(path)));
}

TEST_F(Merged, parameters_that_differ_within_stay_shared) {
  const Model model = imported([](OnnxBuilder& b) {
    add_shared(b, {1, 1, 2});
    return layer(b, "second", layer(b, "first", "x", "w1"), "w2");
  });
  EXPECT_EQ(std::ranges::count(parameters(model), "norm.gain"), 1);
  EXPECT_EQ(std::ranges::count(parameters(model), "second.norm.gain"), 0);
}

TEST_F(Merged, a_layer_that_is_called_twice_stays_one) {
  const Model towers = imported([](OnnxBuilder& b) {
    b.initializer("w1", {3, 3}, weights(1));
    b.initializer("norm.gain", {3}, Floats(3, 1));
    b.node("turned", "Neg", {"x"});
    for (const std::string side : {"x", "turned"}) {
      b.node(side + ".fc", "MatMul", {side, "w1"});
      b.node(side + ".norm", "LayerNormalization", {side + ".fc", "norm.gain"});
    }
    return b.node("sum", "Add", {"x.norm", "turned.norm"});
  });
  EXPECT_EQ(parameters(towers), (Names{"norm.gain", "w1"}));
  // Blocks in a row with their weights in common: the norms behind and before them, too.
  const Model repeated = imported([](OnnxBuilder& b) {
    b.initializer("w1", {3, 3}, weights(1));
    b.initializer("norm.gain", {3}, Floats(3, 1));
    std::string x = "x";
    for (const std::string name : {"a", "b", "c"}) {
      b.node(name + ".fc", "MatMul", {x, "w1"});
      x = b.node(name + ".norm", "LayerNormalization", {name + ".fc", "norm.gain"});
    }
    return x;
  });
  EXPECT_EQ(parameters(repeated), (Names{"norm.gain", "w1"}));
  EXPECT_FALSE(says_separate(towers));
  EXPECT_FALSE(says_separate(repeated));
}

TEST_F(Merged, a_scale_and_the_variances_of_batch_norms_part) {
  const Model model = imported([](OnnxBuilder& b) {
    b.initializer("w1", {3, 3}, weights(1));
    b.initializer("w2", {3, 3}, weights(2));
    b.initializer("ones", {3}, Floats(3, 1));
    b.initializer("zeros", {3}, Floats(3, 0));
    b.node("fc1", "MatMul", {"x", "w1"});
    b.node("bn1", "BatchNormalization", {"fc1", "ones", "zeros", "zeros", "ones"});
    b.node("fc2", "MatMul", {"bn1", "w2"});
    return b.node("bn2", "BatchNormalization", {"fc2", "ones", "zeros", "zeros", "ones"});
  });
  EXPECT_EQ(parameters(model), (Names{"bn2.ones", "bn2.zeros", "ones", "w1", "w2", "zeros"}));
  std::vector<ValueId> states;
  for (const RunningStatisticsOf& entry : model.running_statistics) {
    states.insert(states.end(), {entry.mean, entry.variance});
  }
  std::ranges::sort(states);
  EXPECT_EQ(states.size(), 4U);
  EXPECT_TRUE(std::ranges::adjacent_find(states) == states.end());
}

}  // namespace
}  // namespace mpsearch
