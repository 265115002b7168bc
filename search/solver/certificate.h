// The independent check of a certificate: what its multipliers prove, from the problem alone. Used
// by `verify`, `solve --verify` and the tests; the engines' graphs and automata have no part in it.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "search/solver/problem.h"

namespace mpsearch {

/// The Lagrangian at the certificate's multipliers, minimised over all choices: no choice within
/// the limits has a lesser objective. Infinite when the casts allow no choice at all; empty when
/// the layers' tensors entangle too much for `most_states` partial choices. Min-sum elimination:
/// layers in an order of few open tensors, partial choices that leave the open tensors alike kept
/// once.
std::optional<double> lagrangian_bound(const Problem& problem, const Certificate& certificate,
                                       std::size_t most_states = 4'000'000);

/// What is claimed of an answer.
struct Claim {
  std::span<const int> choice;
  bool optimal = false;
  double objective = 0;
  double bound = 0;
  double gap = 0;
  std::optional<Certificate> certificate;
};

/// `fault` is empty when everything claimed holds: the choice is within the limits at that
/// objective, the numbers fit each other, and the multipliers prove the certificate's bound.
/// `bound` is what was proven here without a search; empty without a certificate, or where it is
/// too wide to check. A claimed bound above it rests on the engine's branch and bound.
struct CertificateCheck {
  std::string fault;
  std::optional<double> bound;
};
CertificateCheck check_certificate(const Problem& problem, const Claim& claim);

}  // namespace mpsearch
