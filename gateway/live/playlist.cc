#include "gateway/live/playlist.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace videodiffcr {

std::string MediaPlaylist(const BroadcastLog<LiveChunk>::Snapshot& chunks) {
  double longest = 1;
  for (const auto& chunk : chunks.items) longest = std::max(longest, chunk->duration_seconds);
  std::string text =
      absl::StrCat("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:", static_cast<int64_t>(std::ceil(longest)),
                   "\n#EXT-X-MEDIA-SEQUENCE:", chunks.first, "\n#EXT-X-INDEPENDENT-SEGMENTS\n");
  int64_t number = chunks.first;
  int64_t init = -1;
  for (const auto& chunk : chunks.items) {
    if (chunk->init_chunk != init) {
      if (init >= 0) absl::StrAppend(&text, "#EXT-X-DISCONTINUITY\n");
      init = chunk->init_chunk;
      absl::StrAppend(&text, "#EXT-X-MAP:URI=\"init-", init, ".mp4\"\n");
    }
    absl::StrAppendFormat(&text, "#EXTINF:%.5f,\n%d.m4s\n", chunk->duration_seconds, number++);
  }
  if (chunks.closed) absl::StrAppend(&text, "#EXT-X-ENDLIST\n");
  return text;
}

}  // namespace videodiffcr
