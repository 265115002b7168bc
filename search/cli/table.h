// Tables and widths for a terminal. Used by every verb that prints one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mpsearch {

/// Columns that a UTF-8 text takes: 0 for combining marks, 2 for wide East Asian and emoji, 1 for
/// the rest; invalid bytes count 1 each. The same in every locale.
int display_width(std::string_view text);

/// The text, cut to at most `width` columns; what was cut shows as "..." at the end (or fewer
/// dots).
std::string fit(std::string_view text, int width);

enum class Align { Left, Right };

struct Column {
  std::string title;
  Align align = Align::Left;
  bool shrinks = false;  // may be cut where the terminal is too narrow
};

/// Rows under titles, columns two spaces apart, a rule below the titles, no trailing spaces. Rows
/// may be shorter than the columns. `width` limits the line: columns that shrink are cut, widest
/// first, to no less than 8 columns each; 0 means unlimited (a pipe or file).
std::string table_text(const std::vector<Column>& columns,
                       const std::vector<std::vector<std::string>>& rows, int width);

}  // namespace mpsearch
