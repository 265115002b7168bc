#include "search/cli/table.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace mpsearch {
namespace {

constexpr int kGap = 2;
constexpr int kLeast = 8;

struct Range {
  std::uint32_t first, last;
};
constexpr std::array<Range, 10> kZeroWidth{{{0x0300, 0x036F},
                                            {0x0483, 0x0489},
                                            {0x0591, 0x05BD},
                                            {0x0610, 0x061A},
                                            {0x064B, 0x065F},
                                            {0x1AB0, 0x1AFF},
                                            {0x200B, 0x200F},
                                            {0x20D0, 0x20FF},
                                            {0xFE00, 0xFE0F},
                                            {0xFE20, 0xFE2F}}};
constexpr std::array<Range, 9> kWide{{{0x1100, 0x115F},
                                      {0x2E80, 0x303E},
                                      {0x3041, 0xA4CF},
                                      {0xAC00, 0xD7A3},
                                      {0xF900, 0xFAFF},
                                      {0xFE30, 0xFE6F},
                                      {0xFF00, 0xFF60},
                                      {0x1F300, 0x1FAFF},
                                      {0x20000, 0x3FFFD}}};

template <std::size_t N>
bool within(const std::array<Range, N>& ranges, std::uint32_t code) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [code](Range r) { return code >= r.first && code <= r.last; });
}

struct Character {
  std::size_t bytes;
  int width;
};

Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xC2 ? 0
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 0;
  if (length <= 1 || at + length > text.size()) return {1, 1};
  std::uint32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return {1, 1};
    code = code << 6 | (byte(at + i) & 0x3FU);
  }
  return {length, within(kZeroWidth, code) ? 0 : within(kWide, code) ? 2 : 1};
}

std::string padded(const std::string& text, int width, Align align) {
  const std::string space(static_cast<std::size_t>(std::max(0, width - display_width(text))), ' ');
  return align == Align::Left ? text + space : space + text;
}

/// Cuts the widest shrinking column until the line fits or nothing can shrink any more.
void shrink(const std::vector<Column>& columns, std::vector<int>& widths, int limit) {
  int line = kGap * (static_cast<int>(columns.size()) - 1);
  for (const int width : widths) line += width;
  while (line > limit) {
    int widest = -1;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const bool wider = widest < 0 || widths[i] > widths[static_cast<std::size_t>(widest)];
      if (columns[i].shrinks && widths[i] > kLeast && wider) widest = static_cast<int>(i);
    }
    if (widest < 0) return;
    --widths[static_cast<std::size_t>(widest)];
    --line;
  }
}

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    width += c.width;
    at += c.bytes;
  }
  return width;
}

std::string fit(std::string_view text, int width) {
  if (display_width(text) <= width) return std::string(text);
  const int dots = std::min(3, std::max(0, width));
  std::string out;
  int used = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    if (used + c.width > width - dots) break;
    out += text.substr(at, c.bytes);
    used += c.width;
    at += c.bytes;
  }
  return out + std::string(static_cast<std::size_t>(dots), '.');
}

std::string table_text(const std::vector<Column>& columns,
                       const std::vector<std::vector<std::string>>& rows, int width) {
  std::vector<int> widths;
  for (const Column& column : columns) widths.push_back(display_width(column.title));
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < std::min(row.size(), columns.size()); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  }
  if (width > 0) shrink(columns, widths, width);

  std::string out;
  const auto add_line = [&](const auto& cell) {
    std::string line;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      line += padded(fit(cell(i), widths[i]), widths[i], columns[i].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  add_line([&](std::size_t i) { return columns[i].title; });
  add_line([&](std::size_t i) { return std::string(static_cast<std::size_t>(widths[i]), '-'); });
  for (const std::vector<std::string>& row : rows) {
    add_line([&](std::size_t i) { return i < row.size() ? row[i] : std::string(); });
  }
  return out;
}

}  // namespace mpsearch
