// Servers that are killed under a session: another goes on, and the video has neither gap nor seam.
#include <signal.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/video_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/server_process.h"
#include "tests/process/process.h"

namespace videodiffcr {
namespace {

// `tools/reliability_check.sh` asks for a hundred.
int Kills() {
  int kills = 3;
  const char* const wanted = std::getenv("VIDEODIFFCR_KILLS");
  if (wanted != nullptr && !absl::SimpleAtoi(wanted, &kills)) ADD_FAILURE() << "VIDEODIFFCR_KILLS is " << wanted;
  return kills;
}

v1::SessionConfig FilmOf(int chunks) {
  v1::SessionConfig config;
  config.set_prompt("a large red circle moves right on a navy checkered background");
  config.set_seed(11);
  config.set_length_chunks(chunks);
  config.set_snapshot_interval_chunks(2);
  return config;
}

TEST(HandOverTest, ServersThatAreKilledUnderASessionAreReplacedAndNothingIsLostOrDoubled) {
  const int kills = Kills();
  std::mt19937 random(1);
  int hand_overs = 0;
  for (int kill = 0; kill < kills; ++kill) {
    SCOPED_TRACE(kill);
    auto first = std::make_unique<ServerProcess>(), second = std::make_unique<ServerProcess>();
    const auto client = VideoClient::Connect(absl::StrCat(first->address(), ",", second->address()), absl::Seconds(20));
    ASSERT_TRUE(client.ok()) << client.status();
    // Where the machine is busy, the other may have answered first.
    if ((*client)->address(0) != first->address()) std::swap(first, second);
    const int64_t last = static_cast<int64_t>(random() % 9);
    const auto call = (*client)->StreamVideo(FilmOf(10));
    std::string file;
    int64_t frames = 0, chunks = 0;
    while (const auto response = call->Next()) {
      if (!response->has_chunk()) continue;
      const v1::VideoChunk& chunk = response->chunk();
      EXPECT_EQ(chunk.sequence(), chunks++);
      EXPECT_EQ(chunk.first_frame(), frames);
      frames += chunk.frame_count();
      file += chunk.init_segment() + chunk.payload();
      if (chunk.sequence() == last) first->process().Signal(SIGKILL);
    }
    EXPECT_TRUE(call->Finish().ok()) << call->Finish();
    EXPECT_EQ(chunks, 10);
    const JudgedVideo video = ProbeVideo(file, "mp4");
    ASSERT_EQ(video.frames.size(), 9u + 9 * 12);
    for (size_t i = 1; i < video.frames.size(); ++i) {
      EXPECT_NEAR(video.frames[i].time_seconds - video.frames[i - 1].time_seconds, 1.0 / 16, 1e-3) << "frame " << i;
    }
    hand_overs += static_cast<int>(call->hand_overs());
  }
  // A server may have sent all before it hears the signal.
  EXPECT_GT(hand_overs, kills / 2);
}

TEST(HandOverTest, GenerateFollowsADrainToAnotherServerOfItsList) {
  ServerProcess first, second;
  const std::string video = TempPath("hand_over.mp4");
  Process client({BinaryPath("videodiffcr"), "generate", "--server",
                  absl::StrCat(first.address(), ",", second.address()), "--prompt", "a red circle moves right",
                  "--chunks", "40", "--output", video});
  ASSERT_TRUE(client.ReadUntil("chunk 1/")) << client.output();
  first.process().Signal(SIGTERM);
  EXPECT_EQ(first.process().Wait(), 0);
  EXPECT_EQ(client.Wait(), 0) << client.output();
  EXPECT_EQ(ProbeFile(video).frames.size(), 9u + 39 * 12);
}

}  // namespace
}  // namespace videodiffcr
