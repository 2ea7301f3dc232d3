#include "client/video_bytes.h"

#include <utility>

namespace videodiffcr {

std::string VideoBytes::Of(const v1::StreamVideoResponse& response) {
  if (response.has_first_fragment()) {
    early_ = response.first_fragment().payload().size();
    return response.first_fragment().init_segment() + response.first_fragment().payload();
  }
  if (!response.has_chunk()) return "";
  const v1::VideoChunk& chunk = response.chunk();
  const std::optional<size_t> early = std::exchange(early_, std::nullopt);
  return early.has_value() ? chunk.payload().substr(*early) : chunk.init_segment() + chunk.payload();
}

}  // namespace videodiffcr
