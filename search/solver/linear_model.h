// A Problem as a mixed-integer program without its limits: columns with costs and held intervals,
// and the rows that tie them. Used by the CBC engine and the LP file writer.
#pragma once

#include <string>
#include <vector>

#include "search/solver/problem.h"
#include "search/solver/solve.h"

namespace mpsearch::solver {

/// A variable, mostly in 0..1. Only the columns of options are integer: the others follow from
/// them.
struct Column {
  std::string name;
  bool integer = false;
  double ms = 0;
  double sensitivity = 0;
  std::vector<ByteInterval> held;  // what a value of 1 holds
  double lower = 0;
  double upper = 1;
};

struct Entry {
  int column = 0;
  double factor = 0;
};

/// lower <= sum of factor x column <= upper.
struct Row {
  std::vector<Entry> entries;
  double lower = 0;
  double upper = 0;
};

struct LinearModel {
  std::vector<Column> columns;
  std::vector<Row> rows;
  std::vector<std::int64_t> base;  // bytes at each event that no column changes
  std::vector<int> first_option;   // column of each layer's option 0
};

/// Exact for integer option columns. `forbidden` combinations become rows.
LinearModel linear_model(const Problem& problem, const std::vector<std::vector<Pick>>& forbidden);

/// Bytes at each event when the columns take `values`.
std::vector<double> usage_of(const LinearModel& model, const std::vector<double>& values);

/// The entries, in bytes, of the row of one event.
std::vector<Entry> event_entries(const LinearModel& model, int event);

}  // namespace mpsearch::solver
