// videodiffcr-convert as somebody runs it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/convert/conversion_fixture.h"

namespace videodiffcr {
namespace {

// The writing end of a pipe that is full and stays so.
int FullPipe() {
  int ends[2] = {};
  EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const std::string page(4096, 'x');
  while (write(ends[1], page.data(), page.size()) > 0) {
  }
  EXPECT_EQ(fcntl(ends[1], F_SETFL, 0), 0);
  return ends[1];
}

using ConvertProgramTest = ConversionTest;

TEST_F(ConvertProgramTest, ConvertsAlthoughNobodyReadsItsMessages) {
  WriteFile(folder_.Path("config.json"), FormatModelConfig(request_.config));
  std::vector<std::string> words = {std::string(std::getenv("VIDEODIFFCR_BIN_DIR")) + "/videodiffcr-convert",
                                    "--config",
                                    folder_.Path("config.json"),
                                    "--transformer",
                                    request_.transformer_files.front(),
                                    "--text-encoder",
                                    request_.text_encoder_files.front(),
                                    "--tokenizer",
                                    request_.tokenizer_file,
                                    "--decoder",
                                    request_.decoder_files.front(),
                                    "--output",
                                    request_.output_folder};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, FullPipe(), STDERR_FILENO);
  pid_t child = 0;
  ASSERT_EQ(posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  pid_t ended = 0;
  for (int tenths = 0; tenths < 300 && ended == 0; ++tenths) {
    poll(nullptr, 0, 100);
    ended = waitpid(child, &status, WNOHANG);
  }
  if (ended == 0) {
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    FAIL() << "it waits for a reader";
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(std::filesystem::exists(request_.output_folder));
}

}  // namespace
}  // namespace videodiffcr
