// Latents of one chunk to frames, for whichever decoder a model folder has: the interface that serving decodes
// through. model/load/decoders.h says which implementation that is.
#ifndef VIDEODIFFCR_MODEL_PLAIN_DECODER_VIDEO_DECODER_H_
#define VIDEODIFFCR_MODEL_PLAIN_DECODER_VIDEO_DECODER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/model_config.h"

namespace videodiffcr {

// What one session carries from chunk to chunk: the last inputs of the layers that look back, in the order in which the
// decoder uses them. Owned by its session; Decode() writes into the tensors, so a copy is no snapshot.
struct DecoderState {
  std::vector<at::Tensor> carried;
  bool scene_started = false;  // false: the next latent frame is the first of its scene

  int64_t bytes() const;
};

// What every decoder is told, whatever its kind.
struct VideoDecoderOptions {
  int64_t latent_height = 0;          // h of every call
  int64_t latent_width = 0;           // w of every call
  at::ScalarType dtype = at::kFloat;  // of weights, activations and state
  at::Device device = at::kCPU;

  // What the decoders of model/gpu are made for.
  bool in_16_bits_on_gpu() const { return device.is_cuda() && (dtype == at::kBFloat16 || dtype == at::kHalf); }
};

// Thread-safe: const and immutable once made. A state belongs to one call at a time.
class VideoDecoder {
 public:
  virtual ~VideoDecoder() = default;

  // The state of a new scene, all of its memory taken: decoding leaves bytes() as it is.
  DecoderState NewState() const;
  // Puts a session's state back to the start of a scene, in the memory that it has.
  void StartScene(DecoderState& state) const;
  int64_t state_bytes() const;  // of every state
  // What a call of so many latent frames takes on its device, and gives back, beside its pixels. 0: not known.
  virtual int64_t work_space_bytes(int64_t latent_frames) const;

  // `latents` [frames, z_dim, h, w]: those that follow the ones already decoded with `state`. Returns fp32 pixels
  // [T, 3, 8h, 8w] in [0, 1]; T = 4 frames, less 3 at the start of a scene. Needs no gradients and keeps none.
  // InvalidArgument names the tensor when a shape or a type is not as said. What Torch throws (no memory) goes through,
  // with `state` unchanged but by the decoders of model/gpu, which may have written a part of it.
  absl::StatusOr<at::Tensor> Decode(const at::Tensor& latents, DecoderState& state) const;

 protected:
  // `state_shapes`: one per carried tensor.
  VideoDecoder(const VideoDecoderOptions& options, int64_t z_dim, std::vector<std::vector<int64_t>> state_shapes);

 private:
  // `latents` [frames, z_dim, h, w] in the decoder's type; `carried` in and out, handles that may be replaced. Returns
  // pixels [T, 3, 8h, 8w], in [0, 1] but for clamping.
  virtual at::Tensor DecodeFrames(const at::Tensor& latents, bool scene_start,
                                  std::vector<at::Tensor>& carried) const = 0;

  absl::Status CheckCall(const at::Tensor& latents, const DecoderState& state) const;

  VideoDecoderOptions options_;
  int64_t z_dim_;
  std::vector<std::vector<int64_t>> state_shapes_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_DECODER_VIDEO_DECODER_H_
