#include "gateway/http/file_source.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

// Keeps work until it is told to do it: a disk that takes its time.
class SlowDisk {
 public:
  WorkRunner runner() {
    return [this](std::function<void()> work) {
      if (is_full) return false;
      waiting_.push_back(std::move(work));
      return true;
    };
  }
  void Answer() {
    for (const std::function<void()>& work : std::exchange(waiting_, {})) work();
  }

  bool is_full = false;

 private:
  std::vector<std::function<void()>> waiting_;
};

// What a connection does with pieces.
struct Viewer {
  std::function<void(BodySource::Piece)> Taker() {
    return [this](const BodySource::Piece& piece) {
      ++asked;
      ended = piece == nullptr;
      if (!ended) bytes += *piece;
    };
  }
  int asked = 0;
  bool ended = false;
  std::string bytes;
};

TEST(FileSourceTest, WhoeverAsksForAPieceDoesNotWaitForTheDisk) {
  const TemporaryFolder folder;
  const std::string content = std::string(300 << 10, 'a') + "the end";
  SlowDisk disk;
  const auto source = OpenFileSource(folder.Write("video.mp4", content), 1, 300 << 10, disk.runner());
  ASSERT_TRUE(source.ok()) << source.status();
  Viewer viewer;
  for (int pieces = 0; pieces < 2; ++pieces) {
    (*source)->Next(viewer.Taker());
    EXPECT_EQ(viewer.asked, pieces) << "read by who asked";
    disk.Answer();
    EXPECT_EQ(viewer.asked, pieces + 1);
  }
  EXPECT_EQ(viewer.bytes, content.substr(1, 300 << 10));
  (*source)->Next(viewer.Taker());
  EXPECT_TRUE(viewer.ended);
}

TEST(FileSourceTest, EndsWhereNoThreadTakesItsWorkAndReadsNothingForAViewerWhoLeft) {
  const TemporaryFolder folder;
  SlowDisk disk;
  auto source = OpenFileSource(folder.Write("video.mp4", "bytes"), 0, 5, disk.runner());
  ASSERT_TRUE(source.ok()) << source.status();
  Viewer viewer, gone;
  (*source)->Next(gone.Taker());
  disk.is_full = true;
  (*source)->Next(viewer.Taker());
  EXPECT_TRUE(viewer.ended);
  *source = nullptr;
  disk.Answer();
  EXPECT_EQ(gone.asked, 0);
}

}  // namespace
}  // namespace videodiffcr
