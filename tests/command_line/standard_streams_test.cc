#include "command_line/standard_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>
#include <string>

namespace videodiffcr {
namespace {

// A program's messages once held its work, and its end, while nobody read them.
TEST(StandardStreamsTest, MessagesThatNobodyReadsAreDroppedAndHoldNobodyUp) {
  EXPECT_EXIT(
      {
        int pipe_ends[2];
        if (pipe(pipe_ends) != 0 || dup2(pipe_ends[1], STDERR_FILENO) < 0) _exit(1);
        PrepareStandardStreams();
        for (int i = 0; i < 10'000; ++i) std::cerr << "chunk " << i << " of many" << std::endl;
        _exit(7);
      },
      testing::ExitedWithCode(7), "");
}

TEST(StandardStreamsTest, OnceSomebodyReadsAgainMessagesArrive) {
  EXPECT_EXIT(
      {
        int pipe_ends[2];
        if (pipe(pipe_ends) != 0 || dup2(pipe_ends[1], STDERR_FILENO) < 0) _exit(1);
        PrepareStandardStreams();
        const std::string long_message(100'000, 'x');
        std::cerr << long_message << std::flush;
        std::string read_back(100'000, ' ');
        if (read(pipe_ends[0], read_back.data(), read_back.size()) != 65'536) _exit(2);
        std::cerr << "here" << std::flush;
        const ssize_t got = read(pipe_ends[0], read_back.data(), read_back.size());
        _exit(read_back.substr(0, static_cast<size_t>(got)) == "here" ? 7 : 3);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace videodiffcr
