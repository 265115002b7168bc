// Einsum by transpositions, sums and matrix products, one operand after another.
#include <algorithm>
#include <map>

#include "kernels/error.h"
#include "models/onnx/op_map.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

/// Dimensions by name: letters, and the dimensions of "..." as digits, '9' the last.
struct Term {
  ValueId value = kNone;
  std::string labels;
};

bool holds(const std::string& labels, char label) {
  return labels.find(label) != std::string::npos;
}

class Einsum {
 public:
  explicit Einsum(NodeCall& call) : call_(call) {
    std::string text = text_of(call.node, "equation", "");
    std::erase(text, ' ');
    const std::size_t arrow = text.find("->");
    const std::string left = text.substr(0, arrow);
    for (std::size_t begin = 0, index = 0; begin <= left.size(); ++index) {
      const std::size_t end = std::min(left.find(',', begin), left.size());
      add_operand(left.substr(begin, end - begin), index);
      begin = end + 1;
    }
    require(terms_.size() == call.inputs(), ErrorKind::BadContent,
            "equation '" + text + "' has " + std::to_string(terms_.size()) +
                " operands, the node " + std::to_string(call.inputs()));
    output_ = arrow == std::string::npos ? implicit_output(left)
                                         : expanded(text.substr(arrow + 2), dots_);
  }

  ValueId build() {
    Term result = terms_[0];
    for (std::size_t i = 1; i < terms_.size(); ++i) {
      std::string later = output_;
      for (std::size_t k = i + 1; k < terms_.size(); ++k) later += terms_[k].labels;
      result = product(sum_out(result, later + terms_[i].labels),
                       sum_out(terms_[i], later + result.labels), later);
    }
    result = sum_out(result, output_);
    for (const char label : output_) {
      require(holds(result.labels, label), ErrorKind::BadContent,
              std::string("its output has '") + label + "', its operands do not");
    }
    return ordered(result, output_);
  }

 private:
  /// "..." as the last of ten digits.
  static std::string expanded(std::string labels, std::size_t dots) {
    const std::size_t at = labels.find("...");
    if (at == std::string::npos) return labels;
    std::string digits;
    for (std::size_t i = 10 - dots; i < 10; ++i) digits += static_cast<char>('0' + i);
    return labels.replace(at, 3, digits);
  }

  void add_operand(const std::string& labels, std::size_t index) {
    if (!onnx_is_float(call_.symbol(index).type)) call_.refuse("integer tensors as data");
    Shape shape = call_.shape(index);
    const bool dotted = labels.find("...") != std::string::npos;
    const std::size_t named = labels.size() - (dotted ? 3 : 0);
    require(shape.size() == named || (dotted && shape.size() > named && shape.size() - named <= 10),
            ErrorKind::BadContent,
            "'" + labels + "' does not name the dimensions of " + to_string(shape));
    const std::size_t dots = shape.size() - named;
    dots_ = std::max(dots_, dots);
    Term term{call_.weight(index), expanded(labels, dots)};
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const char label = term.labels[i];
      Int& size = sizes_.try_emplace(label, shape[i]).first->second;
      require(size == shape[i] || size == 1 || shape[i] == 1, ErrorKind::BadContent,
              std::string("dimension '") + label + "' has sizes " + std::to_string(size) + " and " +
                  std::to_string(shape[i]));
      size = std::max(size, shape[i]);
    }
    while (take_diagonal(term)) {
    }
    terms_.push_back(std::move(term));
  }

  /// Of the first two dimensions of one name only equal places: they move to the end, and every
  /// (size + 1)th element of both is a place. False where no name occurs twice.
  bool take_diagonal(Term& term) {
    std::string& labels = term.labels;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::size_t twin = labels.find(labels[i], i + 1);
      if (twin == std::string::npos) continue;
      const Shape from = shape(term);
      const Int size = from[i];
      require(size == from[twin], ErrorKind::BadContent,
              std::string("dimension '") + labels[i] + "' has sizes " + std::to_string(size) +
                  " and " + std::to_string(from[twin]));
      Shape perm, kept;
      std::string rest;
      for (std::size_t k = 0; k < labels.size(); ++k) {
        if (k == i || k == twin) continue;
        perm.push_back(static_cast<Int>(k));
        kept.push_back(from[k]);
        rest += labels[k];
      }
      perm.push_back(static_cast<Int>(i));
      perm.push_back(static_cast<Int>(twin));
      const bool moves = !std::ranges::is_sorted(perm);
      ValueId value =
          moves ? call_.emit("Transpose", {term.value}, {{"perm", perm}}, "to_end") : term.value;
      Shape pairs = kept;
      pairs.push_back(size * size);
      value = call_.view(value, pairs, "pairs");
      Shape steps(pairs.size(), 1);
      steps.back() = size + 1;
      kept.push_back(size);
      term.value = call_.emit(
          "Slice", {value}, {{"starts", Shape(pairs.size(), 0)}, {"steps", steps}, {"shape", kept}},
          "diagonal");
      labels = rest + labels[i];
      return true;
    }
    return false;
  }

  /// Digits, then the letters that occur once, sorted.
  std::string implicit_output(const std::string& left) const {
    std::string output;
    for (const auto& [label, size] : sizes_) {
      const bool digit = label >= '0' && label <= '9';
      if (digit || std::count(left.begin(), left.end(), label) == 1) output += label;
    }
    return output;
  }

  const Shape& shape(const Term& term) const {
    return call_.scope.model.graph.value(term.value).type.shape;
  }

  Int size_in(const Term& term, char label) const {
    return holds(term.labels, label) ? shape(term)[term.labels.find(label)] : 1;
  }

  /// Without the dimensions that nobody after needs.
  Term sum_out(const Term& term, const std::string& needed) {
    Shape axes;
    std::string kept;
    for (std::size_t i = 0; i < term.labels.size(); ++i) {
      if (holds(needed, term.labels[i])) {
        kept += term.labels[i];
      } else {
        axes.push_back(static_cast<Int>(i));
      }
    }
    if (axes.empty()) return term;
    return {call_.emit("ReduceSum", {term.value}, {{"axes", axes}, {"keepdims", Int{0}}}, "sum"),
            kept};
  }

  ValueId ordered(const Term& term, const std::string& labels) {
    Shape perm;
    bool moves = false;
    for (const char label : labels) {
      perm.push_back(static_cast<Int>(term.labels.find(label)));
      moves = moves || perm.back() + 1 != static_cast<Int>(perm.size());
    }
    return moves ? call_.emit("Transpose", {term.value}, {{"perm", perm}}, "order") : term.value;
  }

  /// The term as [batch..., rows, columns], where `batch` keeps sizes of 1.
  ValueId matrix(const Term& term, const std::string& batch, const std::string& rows,
                 const std::string& columns) {
    std::string order;
    Shape shape;
    for (const char label : batch) {
      if (holds(term.labels, label)) order += label;
      shape.push_back(size_in(term, label));
    }
    for (const std::string& group : {rows, columns}) {
      Int size = 1;
      for (const char label : group) size *= size_in(term, label);
      order += group;
      shape.push_back(size);
    }
    return call_.view(ordered(term, order), shape, "matrix");
  }

  /// Sums over what both have and nobody after needs. A dimension that one operand has with size 1
  /// is repeated: as part of the batch.
  Term product(const Term& a, const Term& b, const std::string& later) {
    std::string batch, inner, rows, columns;
    for (const char label : a.labels) {
      const bool shared = holds(b.labels, label);
      const bool same = shared && size_in(a, label) == size_in(b, label);
      (!shared ? rows : same && !holds(later, label) ? inner : batch) += label;
    }
    for (const char label : b.labels) {
      if (!holds(a.labels, label)) columns += label;
    }
    const ValueId y = call_.emit(
        "MatMul", {matrix(a, batch, rows, inner), matrix(b, batch, inner, columns)}, {}, "product");
    Term result{kNone, batch + rows + columns};
    Shape shape;
    for (const char label : result.labels) {
      shape.push_back(std::max(size_in(a, label), size_in(b, label)));
    }
    result.value = call_.view(y, shape, "dimensions");
    return sum_out(result, later);
  }

  NodeCall& call_;
  std::vector<Term> terms_;
  std::map<char, Int> sizes_;
  std::size_t dots_ = 0;
  std::string output_;
};

void einsum(NodeCall& call) { call.result(Einsum(call).build()); }

}  // namespace

std::vector<OpRow> einsum_rows() { return {{"Einsum", 12, einsum}}; }

}  // namespace mpsearch
