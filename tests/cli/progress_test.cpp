#include "search/cli/progress.h"

#include <gtest/gtest.h>

namespace mpsearch {
namespace {

TEST(Progress, ShowsShareCountAndTimeLeft) {
  EXPECT_EQ(progress_line("train", 25, 100, 10, "loss 0.31"),
            "train  [#####---------------]   25 %  25/100  0:30 left  loss 0.31");
  EXPECT_EQ(progress_line("train", 100, 100, 10, ""),
            "train  [####################]  100 %  100/100");
  EXPECT_EQ(progress_line("solve", 7, 0, 61, ""), "solve  7  1:01");
}

TEST(Progress, WritesDurationsAsClocksDo) {
  EXPECT_EQ(format_duration(0), "0:00");
  EXPECT_EQ(format_duration(59.6), "1:00");
  EXPECT_EQ(format_duration(3723), "1:02:03");
}

TEST(Progress, WritesALinePerTenthWithoutATerminal) {
  testing::internal::CaptureStderr();
  {
    Console console({});
    Progress progress(console, "profile", 40);
    for (int done = 1; done <= 40; ++done) progress.update(done);
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
  EXPECT_EQ(text.substr(0, text.find(',')), "profile 10 % (4/40");
  EXPECT_EQ(text.find('\r'), std::string::npos);
}

}  // namespace
}  // namespace mpsearch
