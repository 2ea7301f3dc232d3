#include "server/media/encoder.h"

#include <string>
#include <utility>

#include "server/media/h264_encoder.h"
#include "server/media/raw_encoder.h"

namespace videodiffcr {

absl::StatusOr<std::unique_ptr<ChunkEncoder>> CreateChunkEncoder(const EncoderConfig& config) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  if (config.output.codec != VideoCodec::kH264) return std::make_unique<RawEncoder>(config);
  absl::StatusOr<std::unique_ptr<H264Encoder>> encoder = H264Encoder::Create(config);
  if (!encoder.ok()) return encoder.status();
  return *std::move(encoder);
}

absl::StatusOr<EncodedChunk> ChunkEncoder::Encode(const FrameChunk& chunk) {
  EncodedChunk encoded;
  if (absl::Status status = EncodePart(chunk, 0, chunk.frame_count, &encoded); !status.ok()) return status;
  return encoded;
}

std::string CodecStringOf(const EncoderConfig& config) {
  return config.output.codec == VideoCodec::kH264 ? PromisedH264CodecString(config) : "";
}

}  // namespace videodiffcr
