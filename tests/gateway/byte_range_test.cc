#include "gateway/http/byte_range.h"

#include <gtest/gtest.h>

namespace videodiffcr {
namespace {

using Kind = ByteRange::Kind;

TEST(ByteRangeTest, EachFormOfOneRangeIsRead) {
  const struct {
    const char* header;
    Kind kind;
    int64_t first;
    int64_t count;
  } cases[] = {{"bytes=0-", Kind::kPart, 0, 100},     {"bytes=10-19", Kind::kPart, 10, 10},
               {"bytes=90-500", Kind::kPart, 90, 10}, {"bytes=-10", Kind::kPart, 90, 10},
               {"bytes=-500", Kind::kPart, 0, 100},   {"bytes=99-99", Kind::kPart, 99, 1}};
  for (const auto& test : cases) {
    const ByteRange range = ParseByteRange(test.header, 100);
    EXPECT_EQ(range.kind, test.kind) << test.header;
    EXPECT_EQ(range.first, test.first) << test.header;
    EXPECT_EQ(range.count, test.count) << test.header;
  }
}

TEST(ByteRangeTest, WhatIsNoSingleRangeIsTheWhole) {
  for (const char* header : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-3", "bytes=0-1,5-6", "lines=1-2",
                             "bytes=--5", "bytes=99999999999999999999-"}) {
    const ByteRange range = ParseByteRange(header, 100);
    EXPECT_EQ(range.kind, Kind::kWhole) << header;
    EXPECT_EQ(range.count, 100) << header;
  }
}

TEST(ByteRangeTest, WhatBeginsBehindTheEndCannotBeHad) {
  for (const char* header : {"bytes=100-", "bytes=100-200", "bytes=-0"}) {
    EXPECT_EQ(ParseByteRange(header, 100).kind, Kind::kUnsatisfiable) << header;
  }
  EXPECT_EQ(ParseByteRange("bytes=0-", 0).kind, Kind::kUnsatisfiable);
}

}  // namespace
}  // namespace videodiffcr
