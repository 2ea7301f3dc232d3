#include "model/plain/decoder/video_decoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace videodiffcr {
namespace {

int64_t Elements(const std::vector<int64_t>& shape) {
  int64_t elements = 1;
  for (int64_t size : shape) elements *= size;
  return elements;
}

std::string ShapeText(at::IntArrayRef shape) { return absl::StrCat("[", absl::StrJoin(shape.vec(), ", "), "]"); }

}  // namespace

int64_t DecoderState::bytes() const {
  int64_t bytes = 0;
  for (const at::Tensor& tensor : carried) bytes += static_cast<int64_t>(tensor.nbytes());
  return bytes;
}

VideoDecoder::VideoDecoder(const VideoDecoderOptions& options, int64_t z_dim,
                           std::vector<std::vector<int64_t>> state_shapes)
    : options_(options), z_dim_(z_dim), state_shapes_(std::move(state_shapes)) {}

DecoderState VideoDecoder::NewState() const {
  DecoderState state;
  for (const std::vector<int64_t>& shape : state_shapes_) {
    state.carried.push_back(at::zeros(shape, at::TensorOptions().dtype(options_.dtype).device(options_.device)));
  }
  return state;
}

void VideoDecoder::StartScene(DecoderState& state) const {
  const at::NoGradGuard no_gradients;
  for (at::Tensor& tensor : state.carried) tensor.zero_();
  state.scene_started = false;
}

int64_t VideoDecoder::state_bytes() const {
  int64_t elements = 0;
  for (const std::vector<int64_t>& shape : state_shapes_) elements += Elements(shape);
  return elements * static_cast<int64_t>(c10::elementSize(options_.dtype));
}

int64_t VideoDecoder::work_space_bytes(int64_t /*latent_frames*/) const { return 0; }

absl::Status VideoDecoder::CheckCall(const at::Tensor& latents, const DecoderState& state) const {
  const std::vector<int64_t> frame = {z_dim_, options_.latent_height, options_.latent_width};
  if (!latents.defined() || latents.dim() != 4 || latents.size(0) < 1 ||
      latents.sizes().slice(1) != at::IntArrayRef(frame)) {
    return absl::InvalidArgumentError(absl::StrCat("latents: shape ",
                                                   latents.defined() ? ShapeText(latents.sizes()) : "none",
                                                   "; must be [frames, ", absl::StrJoin(frame, ", "), "]"));
  }
  if (!latents.is_floating_point()) return absl::InvalidArgumentError("latents: must be floating");
  if (state.carried.size() != state_shapes_.size()) {
    return absl::InvalidArgumentError(absl::StrCat("state: ", state.carried.size(), " tensors; must be ",
                                                   state_shapes_.size(), ", as NewState() makes them"));
  }
  for (size_t i = 0; i < state_shapes_.size(); ++i) {
    const at::Tensor& tensor = state.carried[i];
    if (!tensor.defined() || tensor.sizes() != at::IntArrayRef(state_shapes_[i]) ||
        tensor.scalar_type() != options_.dtype) {
      return absl::InvalidArgumentError(absl::StrCat("state.carried[", i, "]: must be ", ShapeText(state_shapes_[i]),
                                                     " of the decoder's type, as NewState() makes it"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<at::Tensor> VideoDecoder::Decode(const at::Tensor& latents, DecoderState& state) const {
  if (absl::Status status = CheckCall(latents, state); !status.ok()) return status;
  const at::NoGradGuard no_gradients;
  // The handles are the call's own until all of its work is done: a failure on the way leaves the session's state
  // whole.
  std::vector<at::Tensor> carried = state.carried;
  const at::Tensor pixels = DecodeFrames(latents.to(options_.device, options_.dtype), !state.scene_started, carried)
                                .to(at::kFloat)
                                .clamp(0, 1);
  for (size_t i = 0; i < carried.size(); ++i) {
    if (!carried[i].is_same(state.carried[i])) state.carried[i].copy_(carried[i]);
  }
  state.scene_started = true;
  return pixels;
}

}  // namespace videodiffcr
