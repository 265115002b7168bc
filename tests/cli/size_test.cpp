#include "search/cli/size.h"

#include <gtest/gtest.h>

#include "kernels/error.h"

namespace mpsearch {
namespace {

TEST(Size, KnowsDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_size("4096B", "budget").bytes, 4096);
  EXPECT_EQ(parse_size("1kB", "budget").bytes, 1000);
  EXPECT_EQ(parse_size("2MB", "budget").bytes, 2000000);
  EXPECT_EQ(parse_size("0.1GB", "budget").bytes, 100000000);
  EXPECT_EQ(parse_size("1KiB", "budget").bytes, 1024);
  EXPECT_EQ(parse_size("1.5MiB", "budget").bytes, 1572864);
  EXPECT_EQ(parse_size("8 GiB", "budget").bytes, 8589934592);
  EXPECT_EQ(parse_size("8gib", "budget").bytes, 8589934592);
}

TEST(Size, MayBeAShareOfTheFp32Peak) {
  EXPECT_EQ(parse_size("80%", "budget").of(1000), 800);
  EXPECT_EQ(parse_size("0.5x", "budget").of(1001), 500);
  EXPECT_EQ(parse_size("2kB", "budget").of(1001), 2000);
}

TEST(Size, RefusesWhatIsNoSizeAsAUsageError) {
  for (const char* text : {"512", "", "MiB", "-1MiB", "0MiB", "1e30GiB", "nanMiB", "infMiB", "1QiB",
                           "0.5B", "0%", "12 34MiB", "0x10MiB"}) {
    try {
      parse_size(text, "budget");
      ADD_FAILURE() << text << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::Usage) << text;
      EXPECT_NE(error.text().try_.find("MiB"), std::string::npos) << text;
    }
  }
}

TEST(Size, IsShownWithThreeFigures) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "0.98 KiB");
  EXPECT_EQ(format_bytes(1 << 20), "1.00 MiB");
  EXPECT_EQ(format_bytes(123456789), "118 MiB");
  EXPECT_EQ(format_bytes(15LL << 30), "15.0 GiB");
}

}  // namespace
}  // namespace mpsearch
