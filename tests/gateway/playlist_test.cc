#include "gateway/live/playlist.h"

#include <gtest/gtest.h>

#include <memory>

namespace videodiffcr {
namespace {

std::shared_ptr<const LiveChunk> Chunk(double seconds, int64_t init_chunk) {
  LiveChunk chunk;
  chunk.duration_seconds = seconds;
  chunk.init_chunk = init_chunk;
  return std::make_shared<const LiveChunk>(std::move(chunk));
}

TEST(PlaylistTest, ARunningSessionListsWhatIsKeptAndHasNoEnd) {
  EXPECT_EQ(MediaPlaylist({7, {Chunk(0.75, 0), Chunk(0.5625, 0)}, false}),
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:7\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init-0.mp4\"\n#EXTINF:0.75000,\n7.m4s\n"
            "#EXTINF:0.56250,\n8.m4s\n");
}

TEST(PlaylistTest, AnotherInitSegmentIsADiscontinuityAndAnEndedSessionHasAnEnd) {
  EXPECT_EQ(MediaPlaylist({0, {Chunk(0.75, 0), Chunk(1.5, 1)}, true}),
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
            "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init-0.mp4\"\n#EXTINF:0.75000,\n0.m4s\n"
            "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n#EXTINF:1.50000,\n1.m4s\n#EXT-X-ENDLIST\n");
}

}  // namespace
}  // namespace videodiffcr
