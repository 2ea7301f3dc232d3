// Ctrl-C and SIGTERM against the client's commands, whatever they are waiting for.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/server_process.h"
#include "tests/process/process.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

// A server that takes connections and says nothing.
class SilentServer {
 public:
  SilentServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(socket_, 8), 0);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  }
  ~SilentServer() { close(socket_); }
  const std::string& address() const { return address_; }
  // The connection stays open until this program ends.
  void WaitForAConnection() { EXPECT_GE(accept(socket_, nullptr, nullptr), 0); }

 private:
  const int socket_ = socket(AF_INET, SOCK_STREAM, 0);
  std::string address_;
};

TEST(InterruptTest, EndsWhoeverStillWaitsForAServerAtOnce) {
  for (const std::string command : {"generate", "load", "info", "health"}) {
    for (const int signal : {SIGINT, SIGTERM}) {
      SCOPED_TRACE(absl::StrCat(command, ", signal ", signal));
      SilentServer server;
      std::vector<std::string> line = {BinaryPath("videodiffcr"), command, "--server", server.address()};
      if (command == "generate") line.insert(line.end(), {"--prompt", "a", "--output", TempPath("never.mp4")});
      if (command == "health") line.insert(line.end(), {"--timeout", "1h"});
      Process client(line);
      server.WaitForAConnection();
      client.Signal(signal);
      EXPECT_EQ(client.Wait(), 128 + signal) << client.output();
    }
  }
}

// The player neither reads nor ends; what it was given says that the video has begun.
TEST(InterruptTest, AGenerationEndsWithoutWaitingForItsPlayer) {
  ServerProcess server;
  setenv("VIDEODIFFCR_PLAYER", "sleep 1000", 1);
  const std::string video = TempPath("played.mp4");
  for (const std::string chunks : {"2", "0"}) {
    SCOPED_TRACE(absl::StrCat("chunks ", chunks));
    Process client(
        Generate(server, {"--prompt", "a red circle moves right", "--chunks", chunks, "--output", video, "--play"}));
    ASSERT_TRUE(client.ReadUntil(chunks == "2" ? "late chunks" : "chunk 1 ")) << client.output();
    client.Signal(SIGTERM);
    EXPECT_EQ(client.Wait(), chunks == "2" ? 0 : 130) << client.output();
    EXPECT_GE(ProbeFile(video).frames.size(), 9u);
  }
  unsetenv("VIDEODIFFCR_PLAYER");
}

TEST(InterruptTest, ALoadTellsWhatThereWasUntilThen) {
  ServerProcess server;
  // Without playout: on a machine too busy for two viewers in real time the second would wait for the first one's end.
  Process client({BinaryPath("videodiffcr"), "load", "--server", server.address(), "--arrivals", "closed:2",
                  "--playout", "off", "--duration", "1h", "--chunks", "1000", "--slow-share", "1", "--slow-pause",
                  "1h"});
  ASSERT_TRUE(client.ReadUntil(" 2 chunks")) << client.output();
  client.Signal(SIGINT);
  EXPECT_EQ(client.Wait(), 130) << client.output();
  EXPECT_THAT(client.output(), HasSubstr("interrupted; the figures are of what there was until then"));
  EXPECT_THAT(client.output(), ::testing::ContainsRegex("chunks +2\n"));
}

}  // namespace
}  // namespace videodiffcr
