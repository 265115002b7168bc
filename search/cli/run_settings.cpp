#include "search/cli/run_settings.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "kernels/error.h"
#include "kernels/nearest.h"

namespace mpsearch {
namespace {

void take(const Options& options, std::string_view name, std::string& value) {
  if (options.has(name)) value = options.text(name);
}
void take(const Options& options, std::string_view name, double& value) {
  if (options.has(name)) value = options.number(name);
}
void take(const Options& options, std::string_view name, bool& value) {
  if (options.has(name)) value = options.flag(name);
}
void take(const Options& options, std::string_view name, std::vector<std::string>& value) {
  if (options.has(name)) value = options.list(name);
}

[[noreturn]] void refuse(std::string what, std::string why, std::string try_) {
  throw Error(ErrorKind::Usage,
              {.what = std::move(what), .at = {}, .why = std::move(why), .try_ = std::move(try_)});
}

/// "tokens=8x128" or "tokens=8,128".
InputSettings input_from(const std::string& text) {
  const std::size_t at = text.rfind('=');
  InputSettings input;
  bool good = at != std::string::npos && at > 0;
  const char* place = good ? text.data() + at + 1 : nullptr;
  const char* const end = text.data() + text.size();
  while (good) {
    std::int64_t dim = 0;
    const auto [next, code] = std::from_chars(place, end, dim);
    good = code == std::errc() && dim > 0;
    if (!good) break;
    input.shape.push_back(dim);
    if (next == end) break;
    good = *next == 'x' || *next == ',';
    place = next + 1;
  }
  if (!good) {
    refuse(fmt::format("--input {}: no NAME=SHAPE", text),
           "a shape is positive sizes with x or commas between", "--input tokens=8x128");
  }
  input.name = text.substr(0, at);
  return input;
}

/// `flag` is what stands before the precision: "--forbid ".
Precision precision_named(const std::string& text, const std::string& flag) {
  const std::optional<Precision> precision = precision_from(text);
  if (!precision) {
    refuse(fmt::format("{}{}: no precision '{}'", flag, text, text),
           "there are fp32, bf16, fp16 and fp8", flag + "bf16");
  }
  return *precision;
}

PinSettings pin_from(const std::string& text) {
  const std::size_t at = text.rfind('=');
  if (at == std::string::npos || at == 0) {
    refuse(fmt::format("--pin {}: no PATTERN=PRECISION", text),
           "a pattern names layers ('conv*') or operators ('op:Softmax')", "--pin 'conv*=fp32'");
  }
  const Precision precision =
      precision_named(text.substr(at + 1), "--pin " + text.substr(0, at + 1));
  return {text.substr(0, at), std::string(name_of(precision))};
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from <= text.size()) {
    const std::size_t end = std::min(text.find(',', from), text.size());
    parts.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return parts;
}

/// --precisions without what --forbid names.
void take_precisions(const Options& options, TrainingSettings& settings) {
  if (!options.has("precisions") && !options.has("forbid")) return;
  std::vector<Precision> precisions(kPrecisions.begin(), kPrecisions.end());
  if (options.has("precisions")) {
    precisions.clear();
    for (const std::string& name : split(options.text("precisions"))) {
      precisions.push_back(precision_named(name, "--precisions "));
    }
  }
  for (const std::string& list : options.list("forbid")) {
    for (const std::string& name : split(list)) {
      std::erase(precisions, precision_named(name, "--forbid "));
    }
  }
  if (precisions.empty()) refuse("no precision is left to choose from", {}, "--forbid less");
  settings.precisions.clear();
  for (const Precision precision : precisions) settings.precisions.emplace_back(name_of(precision));
}

/// Refuses what the optimizer would not look at.
void check_optimizer(const Options& options, const OptimizerSettings& optimizer) {
  const bool sgd = optimizer.kind == "sgd";
  for (const char* name : {"momentum", "dampening", "nesterov"}) {
    if (sgd || !options.has(name)) continue;
    refuse(fmt::format("--{} belongs to --optimizer sgd", name),
           "the optimizer is " + optimizer.kind, "--optimizer sgd --momentum 0.9");
  }
  for (const char* name : {"beta1", "beta2", "epsilon"}) {
    if (!sgd || !options.has(name)) continue;
    refuse(fmt::format("--{} belongs to --optimizer adam and adamw", name), "the optimizer is sgd",
           "--optimizer adamw");
  }
  if (optimizer.nesterov && (optimizer.momentum == 0 || optimizer.dampening != 0)) {
    refuse("--nesterov needs --momentum, and no --dampening",
           fmt::format("momentum is {}, dampening {}", optimizer.momentum, optimizer.dampening),
           "--optimizer sgd --momentum 0.9 --nesterov");
  }
}

void take_optimizer(const Options& options, OptimizerSettings& optimizer, bool planned) {
  const std::string before = optimizer.kind;
  take(options, "optimizer", optimizer.kind);
  // The customary default of each: decoupled decay for adamw, none elsewhere.
  if (!planned || optimizer.kind != before) {
    optimizer.weight_decay = optimizer.kind == "adamw" ? 0.01 : 0;
  }
  take(options, "lr", optimizer.learning_rate);
  take(options, "momentum", optimizer.momentum);
  take(options, "dampening", optimizer.dampening);
  take(options, "nesterov", optimizer.nesterov);
  take(options, "weight-decay", optimizer.weight_decay);
  take(options, "beta1", optimizer.beta1);
  take(options, "beta2", optimizer.beta2);
  take(options, "epsilon", optimizer.epsilon);
  check_optimizer(options, optimizer);
}

ScalerOptions scaler_from(const std::string& loss_scale) {
  ScalerOptions scaler;
  if (loss_scale == "megatron") {
    scaler.initial = 0x1p32;
    scaler.growth_interval = 1000;
    scaler.hysteresis = 2;
    scaler.floor = 1;
  } else if (loss_scale != "auto" && loss_scale != "off") {
    scaler.dynamic = false;
    scaler.initial = std::strtod(loss_scale.c_str(), nullptr);
  }
  return scaler;
}

std::optional<LossKind> loss_kind(const std::string& name) {
  if (name == "cross-entropy") return LossKind::CrossEntropy;
  if (name == "mse") return LossKind::MeanSquaredError;
  if (name == "bce") return LossKind::BinaryCrossEntropy;
  return std::nullopt;
}

/// "value=mse:0.5".
OutputLoss output_loss(const std::string& text) {
  const std::size_t at = text.rfind('=');
  std::string kind = text.substr(at + 1);
  OutputLoss loss{.output = text.substr(0, at)};
  bool good = at > 0;
  if (const std::size_t colon = kind.find(':'); colon != std::string::npos) {
    const char* const end = kind.data() + kind.size();
    const auto [next, code] = std::from_chars(kind.data() + colon + 1, end, loss.weight);
    good = good && code == std::errc() && next == end && std::isfinite(loss.weight);
    kind.resize(colon);
  }
  const std::optional<LossKind> known = loss_kind(kind);
  if (!good || !known) {
    refuse(fmt::format("--loss {}: no OUTPUT=KIND or OUTPUT=KIND:WEIGHT", text),
           "kinds are cross-entropy, mse and bce, a weight is a number", "--loss value=mse:0.5");
  }
  loss.kind = *known;
  return loss;
}

/// One kind, or the named losses joined by commas; empty for auto.
std::string loss_setting(const std::vector<std::string>& values) {
  const std::string& last = values.back();
  if (last.find('=') == std::string::npos) {
    if (last == "auto") return {};
    if (loss_kind(last)) return last;
    const std::vector<std::string> kinds{"auto", "cross-entropy", "mse", "bce"};
    refuse(fmt::format("--loss {}: no such loss", last), did_you_mean(last, kinds),
           "--loss auto, cross-entropy, mse, bce, or OUTPUT=KIND");
  }
  std::string text;
  for (const std::string& value : values) {
    if (value.find('=') == std::string::npos) {
      refuse(fmt::format("--loss {} beside named losses", value), {}, "--loss OUTPUT=" + value);
    }
    text += (text.empty() ? "" : ",") + value;
  }
  std::vector<OutputLoss> losses = named_losses(text);
  std::ranges::sort(losses, {}, &OutputLoss::output);
  const auto twice = std::ranges::adjacent_find(losses, {}, &OutputLoss::output);
  if (twice != losses.end()) refuse("two losses of output '" + twice->output + "'", {}, "one each");
  return text;
}

}  // namespace

std::vector<OutputLoss> named_losses(const std::string& text) {
  std::vector<OutputLoss> losses;
  if (text.find('=') == std::string::npos) return losses;
  for (const std::string& part : split(text)) losses.push_back(output_loss(part));
  return losses;
}

TrainingSettings settings_from(const Options& options, const Plan* plan, bool auto_batch) {
  if (!auto_batch && options.has("batch") && !options.is_number("batch")) {
    refuse("--batch auto belongs to plan, and to train with --budget",
           "the batch is chosen as large as the budget allows", "--batch 32");
  }
  TrainingSettings settings = plan != nullptr ? plan->settings : TrainingSettings{};
  if (options.has("batch") && options.is_number("batch")) {
    settings.batch = options.integer("batch");
    for (InputSettings& input : settings.inputs) {
      if (!input.shape.empty()) input.shape[0] = settings.batch;
    }
  }
  if (options.has("input")) {
    settings.inputs.clear();
    for (const std::string& text : options.list("input")) {
      settings.inputs.push_back(input_from(text));
    }
  }
  take_optimizer(options, settings.optimizer, plan != nullptr);
  take(options, "clip", settings.clip);
  if (options.has("accumulate")) settings.accumulation = options.integer("accumulate");
  take(options, "loss-scale", settings.loss_scale);
  take(options, "bn-running-var", settings.running_variance);
  take(options, "effort", settings.effort);
  take(options, "fp8-edges", settings.fp8_edges);
  take(options, "freeze", settings.freeze);
  take(options, "train", settings.train);
  take(options, "data", settings.data);
  if (options.find("data") == nullptr) settings.data = "synthetic";
  if (options.has("seed")) settings.seed = static_cast<std::uint64_t>(options.integer("seed"));
  if (options.has("loss")) settings.loss = loss_setting(options.list("loss"));
  take_precisions(options, settings);
  if (options.has("pin")) {
    settings.pins.clear();
    for (const std::string& text : options.list("pin")) settings.pins.push_back(pin_from(text));
  }
  return settings;
}

ImportOptions import_options(const TrainingSettings& settings) {
  ImportOptions options;
  options.batch = settings.batch;
  for (const InputSettings& input : settings.inputs) {
    options.inputs.emplace_back(input.name, input.shape);
  }
  options.freeze = settings.freeze;
  options.train = settings.train;
  for (const OutputLoss& loss : named_losses(settings.loss)) options.outputs.push_back(loss.output);
  if (options.outputs.empty()) options.outputs.emplace_back();
  return options;
}

TrainingOptions training_options(const TrainingSettings& settings) {
  TrainingOptions options;
  options.losses = named_losses(settings.loss);
  options.loss = loss_kind(settings.loss).value_or(LossKind::CrossEntropy);
  const OptimizerSettings& from = settings.optimizer;
  options.optimizer = {.kind = from.kind == "sgd"    ? OptimizerKind::Sgd
                               : from.kind == "adam" ? OptimizerKind::Adam
                                                     : OptimizerKind::AdamW,
                       .momentum = from.momentum,
                       .dampening = from.dampening,
                       .nesterov = from.nesterov,
                       .weight_decay = from.weight_decay,
                       .beta1 = from.beta1,
                       .beta2 = from.beta2,
                       .epsilon = from.epsilon};
  options.scaler = scaler_from(settings.loss_scale);
  options.clip = settings.clip;
  options.micro_batches = settings.accumulation;
  options.unbiased_running_variance = settings.running_variance != "onnx";
  return options;
}

std::string describe_optimizer(const OptimizerSettings& optimizer) {
  std::string text = fmt::format("{}, lr {}", optimizer.kind, optimizer.learning_rate);
  if (optimizer.momentum != 0) text += fmt::format(", momentum {}", optimizer.momentum);
  if (optimizer.nesterov) text += ", Nesterov";
  return text + fmt::format(", weight decay {}", optimizer.weight_decay);
}

std::vector<float> number_list(const std::string& text, std::string_view what) {
  std::vector<float> numbers;
  if (text.empty()) return numbers;
  for (const std::string& part : split(text)) {
    float value = 0;
    const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (code != std::errc() || end != part.data() + part.size()) {
      refuse(fmt::format("{} {}: no list of numbers", what, text),
             "one number, or one a channel with commas between", fmt::format("{} 0.5", what));
    }
    numbers.push_back(value);
  }
  return numbers;
}

}  // namespace mpsearch
