// Frames without compression: what tests and researchers look at when no codec may stand between them and the model.
#ifndef VIDEODIFFCR_SERVER_MEDIA_RAW_ENCODER_H_
#define VIDEODIFFCR_SERVER_MEDIA_RAW_ENCODER_H_

#include "absl/status/statusor.h"
#include "server/media/encoder.h"
#include "server/media/frame_converter.h"

namespace videodiffcr {

class RawEncoder final : public ChunkEncoder {
 public:
  // `config` is valid and its codec is one of the raw ones.
  explicit RawEncoder(const EncoderConfig& config);

  absl::Status EncodePart(const FrameChunk& chunk, int begin, int frames, EncodedChunk* encoded) override;

 private:
  const PixelFormat format_;
  const int width_;
  const int height_;
  FrameConverter converter_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_MEDIA_RAW_ENCODER_H_
