#include "search/cli/table.h"

#include <gtest/gtest.h>

namespace mpsearch {
namespace {

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("conv1"), 5);
  EXPECT_EQ(display_width("für"), 3);
  EXPECT_EQ(display_width("e\xCC\x81"), 1);  // e and a combining accent
  EXPECT_EQ(display_width("層"), 2);
  EXPECT_EQ(display_width("\xF0\x9F\x9A\x80"), 2);  // a rocket
  EXPECT_EQ(display_width("\xFF\xC3"), 2);          // invalid bytes
}

TEST(Fit, CutsWithDotsAndNeverInsideACharacter) {
  EXPECT_EQ(fit("short", 8), "short");
  EXPECT_EQ(fit("layer4.conv", 8), "layer...");
  EXPECT_EQ(fit("層層層層", 6), "層...");
  EXPECT_EQ(fit("abc", 2), "..");
  EXPECT_EQ(fit("abc", 0), "");
}

TEST(Table, AlignsColumnsByWidth) {
  const std::vector<Column> columns{{"layer"}, {"ms", Align::Right}, {"why"}};
  EXPECT_EQ(table_text(columns, {{"conv1", "1.25", "pinned"}, {"層", "10.00"}}, 0),
            "layer     ms  why\n"
            "-----  -----  ------\n"
            "conv1   1.25  pinned\n"
            "層     10.00\n");
}

TEST(Table, CutsOnlyShrinkingColumnsToTheTerminal) {
  const std::vector<Column> columns{{"layer", Align::Left, true}, {"ms", Align::Right}};
  EXPECT_EQ(table_text(columns, {{"encoder.layer.0.attention", "1.25"}}, 20),
            "layer             ms\n"
            "--------------  ----\n"
            "encoder.lay...  1.25\n");
}

}  // namespace
}  // namespace mpsearch
