#include "media/av_messages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

extern "C" {
#include <libavutil/log.h>
}

namespace videodiffcr {
namespace {

std::vector<std::string>& Taken() {
  static std::vector<std::string> taken;
  return taken;
}

TEST(AvMessagesTest, GoToWhoeverTakesThemEachWithoutItsLinesEnd) {
  RouteAvMessages([](std::string_view message) { Taken().emplace_back(message); });
  av_log(nullptr, AV_LOG_ERROR, "frame %d is damaged\n", 7);
  av_log(nullptr, AV_LOG_DEBUG, "of no interest\n");
  av_log(nullptr, AV_LOG_ERROR, "%s", std::string(100'000, 'x').c_str());
  ASSERT_EQ(Taken().size(), 2u);
  EXPECT_EQ(Taken()[0], "frame 7 is damaged");
  EXPECT_EQ(Taken()[1].size(), 1023u);
}

// FFmpeg's own way of writing would hold the thread that decodes or encodes, and the end of the program.
TEST(AvMessagesTest, OnesThatNobodyReadsHoldNobodyUp) {
  EXPECT_EXIT(
      {
        int pipe_ends[2];
        if (pipe(pipe_ends) != 0 || dup2(pipe_ends[1], STDERR_FILENO) < 0) _exit(1);
        RouteAvMessages([](std::string_view) {});
        for (int i = 0; i < 10'000; ++i) av_log(nullptr, AV_LOG_ERROR, "frame %d is damaged\n", i);
        _exit(7);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace videodiffcr
