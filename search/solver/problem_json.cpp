#include "search/solver/problem_json.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"

namespace mpsearch {
namespace {

using Json = nlohmann::ordered_json;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

/// A JSON value that knows its path, which is spelled out only when something is wrong.
class At {
 public:
  explicit At(const Json& value) : value_(value) {}

  At key(const char* name) const {
    if (!value_.is_object()) fail("it must be an object");
    const auto found = value_.find(name);
    if (found == value_.end()) fail(fmt::format("key \"{}\" is missing", name));
    return At(*found, this, name, 0);
  }
  bool has(const char* name) const {
    const auto found = value_.find(name);
    return found != value_.end() && !found->is_null();
  }
  At item(std::size_t index) const { return At(value_[index], this, nullptr, index); }
  std::size_t size() const {
    if (!value_.is_array()) fail("it must be a list");
    return value_.size();
  }
  void only_keys(std::initializer_list<const char*> known) const {
    if (!value_.is_object()) fail("it must be an object");
    for (const auto& entry : value_.items()) {
      if (std::find(known.begin(), known.end(), entry.key()) != known.end()) continue;
      const char* const nearest =
          *std::min_element(known.begin(), known.end(), [&](const char* a, const char* b) {
            return edit_distance(entry.key(), a) < edit_distance(entry.key(), b);
          });
      const bool close = entry.key().size() < 64 && edit_distance(entry.key(), nearest) <= 3;
      fail(fmt::format("unknown key \"{}\"", entry.key().substr(0, 64)),
           close ? fmt::format("did you mean \"{}\"?", nearest) : std::string());
    }
  }
  std::int64_t integer() const {
    if (value_.is_number_unsigned() &&
        value_.get<std::uint64_t>() >
            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      fail("the number does not fit 64 bits");
    if (value_.is_number_integer()) return value_.get<std::int64_t>();
    const double number = value_.is_number() ? value_.get<double>() : 0.5;
    if (std::fabs(number) > 9007199254740992.0 || number != std::floor(number))
      fail("it must be an integer");
    return static_cast<std::int64_t>(number);
  }
  int index() const {
    const std::int64_t value = integer();
    if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max())
      fail(fmt::format("{} is out of range", value));
    return static_cast<int>(value);
  }
  double number() const {
    if (!value_.is_number()) fail("it must be a number");
    return value_.get<double>();
  }
  std::string text() const {
    if (!value_.is_string()) fail("it must be a string");
    return value_.get<std::string>();
  }
  const Json& json() const { return value_; }

  [[noreturn]] void fail(std::string why, std::string try_ = {}) const {
    throw Error(ErrorKind::BadContent, ErrorText{.what = "the problem is malformed",
                                                 .at = path(),
                                                 .why = std::move(why),
                                                 .try_ = std::move(try_)});
  }

 private:
  At(const Json& value, const At* parent, const char* key, std::size_t index)
      : value_(value), parent_(parent), key_(key), index_(index) {}

  std::string path() const {
    if (parent_ == nullptr) return {};
    const std::string above = parent_->path();
    if (key_ == nullptr) return fmt::format("{}[{}]", above, index_);
    return above.empty() ? key_ : above + "." + key_;
  }

  const Json& value_;
  const At* parent_ = nullptr;
  const char* key_ = nullptr;
  std::size_t index_ = 0;
};

std::string optional_name(const At& at) {
  return at.has("name") ? at.key("name").text() : std::string();
}

int form_of(const ProblemTensor& tensor, const At& at) {
  const std::string name = at.text();
  for (std::size_t f = 0; f < tensor.forms.size(); ++f)
    if (tensor.forms[f].name == name) return static_cast<int>(f);
  at.fail(fmt::format("the tensor has no bytes for form \"{}\"", name.substr(0, 64)));
}

std::vector<ByteInterval> read_intervals(const At& at) {
  std::vector<ByteInterval> out(at.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const At item = at.item(i);
    if (item.size() != 3) item.fail("it must be [first, last, bytes]");
    out[i] = {item.item(0).index(), item.item(1).index(), item.item(2).integer()};
  }
  return out;
}

std::vector<TensorAccess> read_accesses(const At& at, const std::vector<ProblemTensor>& tensors) {
  std::vector<TensorAccess> out(at.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const At item = at.item(i);
    if (item.size() < 3) item.fail("it must be [tensor, form, event, ...]");
    out[i].tensor = item.item(0).index();
    if (out[i].tensor < 0 || static_cast<std::size_t>(out[i].tensor) >= tensors.size())
      item.fail(fmt::format("there is no tensor {}", out[i].tensor));
    out[i].form = form_of(tensors[out[i].tensor], item.item(1));
    for (std::size_t e = 2; e < item.size(); ++e) out[i].events.push_back(item.item(e).index());
  }
  return out;
}

ProblemTensor read_tensor(const At& at) {
  at.only_keys({"name", "bytes", "written", "casts"});
  ProblemTensor tensor;
  tensor.name = optional_name(at);
  const At bytes = at.key("bytes");
  if (!bytes.json().is_object()) bytes.fail("it must be an object of form: bytes");
  for (const auto& entry : bytes.json().items())
    tensor.forms.push_back({entry.key(), bytes.key(entry.key().c_str()).integer()});
  if (at.has("written")) {
    const At written = at.key("written");
    if (written.size() != 2) written.fail("it must be null or [form, event]");
    tensor.written = GivenWrite{form_of(tensor, written.item(0)), written.item(1).index()};
  }
  if (!at.has("casts")) return tensor;
  const At casts = at.key("casts");
  tensor.casts.resize(casts.size());
  for (std::size_t c = 0; c < tensor.casts.size(); ++c) {
    const At cast = casts.item(c);
    cast.only_keys({"from", "to", "event", "ms"});
    const At from = cast.key("from");
    const At to = cast.key("to");
    tensor.casts[c] = {form_of(tensor, from), form_of(tensor, to), cast.key("event").index(),
                       cast.key("ms").number()};
  }
  return tensor;
}

ProblemOption read_option(const At& at, const std::vector<ProblemTensor>& tensors) {
  at.only_keys({"name", "ms", "sensitivity", "bytes", "writes", "reads"});
  ProblemOption option;
  option.name = optional_name(at);
  option.ms = at.key("ms").number();
  option.sensitivity = at.key("sensitivity").number();
  option.bytes = read_intervals(at.key("bytes"));
  option.writes = read_accesses(at.key("writes"), tensors);
  option.reads = read_accesses(at.key("reads"), tensors);
  return option;
}

ProblemPair read_pair(const At& at) {
  at.only_keys({"a", "b", "terms"});
  ProblemPair pair;
  pair.a = at.key("a").index();
  pair.b = at.key("b").index();
  const At terms = at.key("terms");
  pair.terms.resize(terms.size());
  for (std::size_t t = 0; t < pair.terms.size(); ++t) {
    const At term = terms.item(t);
    term.only_keys({"a_option", "b_option", "ms", "sensitivity", "bytes"});
    pair.terms[t] = {term.key("a_option").index(), term.key("b_option").index(),
                     term.key("ms").number(), term.key("sensitivity").number(),
                     read_intervals(term.key("bytes"))};
  }
  return pair;
}

ProblemLimits read_limits(const At& at) {
  at.only_keys({"bytes", "ms", "sensitivity"});
  ProblemLimits limits;
  limits.bytes = at.key("bytes").integer();
  if (at.has("ms")) limits.ms = at.key("ms").number();
  if (at.has("sensitivity")) limits.sensitivity = at.key("sensitivity").number();
  return limits;
}

Problem read_root(const At& at) {
  if (at.json().is_object() && at.has("version") && at.key("version").integer() != 1)
    at.key("version").fail("this program reads version 1");
  at.only_keys({"version", "objective", "limits", "events", "base", "tensors", "layers", "pairs"});
  at.key("version").integer();
  Problem problem;
  const At objective = at.key("objective");
  if (objective.text() == "ms")
    problem.objective = Objective::Ms;
  else if (objective.text() != "sensitivity")
    objective.fail("it must be \"sensitivity\" or \"ms\"");
  problem.limits = read_limits(at.key("limits"));
  problem.events = at.key("events").index();
  const At base = at.key("base");
  for (std::size_t e = 0; e < base.size(); ++e) problem.base.push_back(base.item(e).integer());
  const At tensors = at.key("tensors");
  for (std::size_t t = 0; t < tensors.size(); ++t)
    problem.tensors.push_back(read_tensor(tensors.item(t)));
  const At layers = at.key("layers");
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const At layer = layers.item(l);
    layer.only_keys({"name", "options"});
    ProblemLayer& out = problem.layers.emplace_back();
    out.name = optional_name(layer);
    const At options = layer.key("options");
    for (std::size_t o = 0; o < options.size(); ++o)
      out.options.push_back(read_option(options.item(o), problem.tensors));
  }
  if (!at.has("pairs")) return problem;
  const At pairs = at.key("pairs");
  for (std::size_t p = 0; p < pairs.size(); ++p) problem.pairs.push_back(read_pair(pairs.item(p)));
  return problem;
}

Json json_of(const std::vector<ByteInterval>& intervals) {
  Json out = Json::array();
  for (const ByteInterval& interval : intervals)
    out.push_back({interval.first, interval.last, interval.bytes});
  return out;
}

Json json_of(const Problem& problem, const std::vector<TensorAccess>& accesses) {
  Json out = Json::array();
  for (const TensorAccess& access : accesses) {
    Json entry = {access.tensor, problem.tensors[access.tensor].forms[access.form].name};
    for (const int event : access.events) entry.push_back(event);
    out.push_back(std::move(entry));
  }
  return out;
}

Json json_of(const ProblemTensor& tensor) {
  Json bytes = Json::object();
  for (const ProblemForm& form : tensor.forms) bytes[form.name] = form.bytes;
  Json casts = Json::array();
  for (const ProblemCast& cast : tensor.casts)
    casts.push_back(Json{{"from", tensor.forms[cast.from].name},
                         {"to", tensor.forms[cast.to].name},
                         {"event", cast.event},
                         {"ms", cast.ms}});
  Json written;
  if (tensor.written)
    written = Json{tensor.forms[tensor.written->form].name, tensor.written->event};
  return Json{{"name", tensor.name}, {"bytes", bytes}, {"written", written}, {"casts", casts}};
}

Json json_of(const ProblemPair& pair) {
  Json terms = Json::array();
  for (const PairTerm& term : pair.terms)
    terms.push_back(Json{{"a_option", term.a_option},
                         {"b_option", term.b_option},
                         {"ms", term.ms},
                         {"sensitivity", term.sensitivity},
                         {"bytes", json_of(term.bytes)}});
  return Json{{"a", pair.a}, {"b", pair.b}, {"terms", terms}};
}

}  // namespace

Problem read_problem(std::string_view text, const std::string& source) {
  try {
    const Json json = Json::parse(text);
    Problem problem = read_root(At(json));
    validate(problem);
    return problem;
  } catch (const Json::exception& error) {
    throw Error(
        ErrorKind::BadContent,
        ErrorText{
            .what = "the problem is not JSON", .at = source, .why = error.what(), .try_ = {}});
  } catch (const Error& error) {
    ErrorText where = error.text();
    where.at = where.at.empty() ? source : source + ": " + where.at;
    throw Error(error.kind(), std::move(where));
  }
}

std::string write_problem(const Problem& problem) {
  Json tensors = Json::array();
  for (const ProblemTensor& tensor : problem.tensors) tensors.push_back(json_of(tensor));
  Json layers = Json::array();
  for (const ProblemLayer& layer : problem.layers) {
    Json options = Json::array();
    for (const ProblemOption& option : layer.options)
      options.push_back(Json{{"name", option.name},
                             {"ms", option.ms},
                             {"sensitivity", option.sensitivity},
                             {"bytes", json_of(option.bytes)},
                             {"writes", json_of(problem, option.writes)},
                             {"reads", json_of(problem, option.reads)}});
    layers.push_back(Json{{"name", layer.name}, {"options", options}});
  }
  Json pairs = Json::array();
  for (const ProblemPair& pair : problem.pairs) pairs.push_back(json_of(pair));
  const ProblemLimits& limits = problem.limits;
  const Json json{{"version", 1},
                  {"objective", problem.objective == Objective::Ms ? "ms" : "sensitivity"},
                  {"limits",
                   {{"bytes", limits.bytes},
                    {"ms", limits.ms ? Json(*limits.ms) : Json()},
                    {"sensitivity", limits.sensitivity ? Json(*limits.sensitivity) : Json()}}},
                  {"events", problem.events},
                  {"base", problem.base},
                  {"tensors", tensors},
                  {"layers", layers},
                  {"pairs", pairs}};
  return json.dump() + "\n";
}

}  // namespace mpsearch
