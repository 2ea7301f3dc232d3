// Frames of one chunk in, bytes of one chunk out. One encoder per session, used by one thread at a time.
#ifndef VIDEODIFFCR_SERVER_MEDIA_ENCODER_H_
#define VIDEODIFFCR_SERVER_MEDIA_ENCODER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/api/frame_chunk.h"
#include "server/media/encoder_config.h"

namespace videodiffcr {

// One chunk, ready to be sent. Given the init segment it decodes without any other chunk.
struct EncodedChunk {
  std::string init_segment;  // set when it changed, so on the first chunk of fragmented MP4; goes before `payload`
  std::string payload;
  bool keyframe = true;  // the first frame decodes without earlier ones
};

class ChunkEncoder {
 public:
  virtual ~ChunkEncoder() = default;

  // Encodes all frames of `chunk` and gives back all their bytes: nothing is held over to the next call. Errors as
  // EncodePart().
  absl::StatusOr<EncodedChunk> Encode(const FrameChunk& chunk);

  // The same in parts, each of at least one frame: the bytes of the next `frames` frames of `chunk`, behind its first
  // `begin`, join those in `encoded`. What is there then can be sent: no byte of it changes any more. In fragmented MP4
  // each part is a fragment; a part decodes behind those before it.
  // InvalidArgument when the frames are not of the size the encoder was made for. After an error the encoder must not
  // be used again.
  virtual absl::Status EncodePart(const FrameChunk& chunk, int begin, int frames, EncodedChunk* encoded) = 0;
};

// Makes the encoder for a valid config. InvalidArgument says which field is not valid.
absl::StatusOr<std::unique_ptr<ChunkEncoder>> CreateChunkEncoder(const EncoderConfig& config);

// RFC 6381 codec string of what that encoder makes, for example "avc1.64000b"; empty for raw frames. It can be told
// before there is an encoder; one that would make anything else is not made.
std::string CodecStringOf(const EncoderConfig& config);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_MEDIA_ENCODER_H_
