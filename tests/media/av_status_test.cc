#include "media/av_status.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

extern "C" {
#include <libavutil/error.h>
}

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

TEST(AvStatusTest, SaysWhatWasDoneAndWhatFfmpegThinksOfIt) {
  EXPECT_TRUE(AvStatus(0, "opening").ok());
  EXPECT_TRUE(AvStatus(17, "writing").ok());
  EXPECT_EQ(AvStatus(AVERROR(ENOMEM), "opening").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(AvStatus(AVERROR(EINVAL), "opening").code(), absl::StatusCode::kInvalidArgument);
  const absl::Status status = AvStatus(AVERROR_EOF, "taking a packet");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("taking a packet failed: End of file"));
}

}  // namespace
}  // namespace videodiffcr
