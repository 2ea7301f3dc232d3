// What the decoders of the GPU have in common: packed weights, one workspace for a call, and latent frames that go
// through the network group by group.
#ifndef VIDEODIFFCR_MODEL_GPU_DECODER_GROUPED_DECODER_H_
#define VIDEODIFFCR_MODEL_GPU_DECODER_GROUPED_DECODER_H_

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAException.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/gpu/decoder/conv.h"
#include "model/gpu/decoder/latent_groups.h"
#include "model/plain/decoder/video_decoder.h"

namespace videodiffcr {

// `Network` has, and may not change while a call runs,
//   kFirstFrameAlone                     whether a scene's first latent frame is a group of its own, of one pixel frame
//   WorkspaceBytes(latents)              of a call whose groups have that many latent frames at most
//   TakeWorkspace(latents)               as many bytes of device memory
//   Run(queue, workspace, carried, group, alone, pixels)   one group; `carried` is what it leaves for the next
template <typename Network>
class GroupedDecoder final : public VideoDecoder {
 public:
  // `carried`: shapes of what a session keeps from group to group.
  GroupedDecoder(Network network, const VideoDecoderOptions& options, int64_t z_dim,
                 std::vector<std::vector<int64_t>> carried)
      : VideoDecoder(options, z_dim, std::move(carried)), dtype_(options.dtype), network_(std::move(network)) {}

  int64_t work_space_bytes(int64_t latent_frames) const override {
    return network_.WorkspaceBytes(std::min(latent_frames, kMostLatents));
  }

 private:
  at::Tensor DecodeFrames(const at::Tensor& latents, bool scene_start,
                          std::vector<at::Tensor>& carried) const override {
    const c10::DeviceGuard guard(latents.device());
    const DeviceQueue queue = DeviceQueue::Current(latents, dtype_);
    const int64_t frames = latents.size(0);
    // Of a scene's first latent frame there is one frame to see: the last, where it went through with the others.
    const bool alone = scene_start && Network::kFirstFrameAlone;
    const at::Tensor pixels = EmptyPixels(kFramesPerLatent * frames - (alone ? kFramesPerLatent - 1 : 0), latents);
    // All large memory is taken before what is carried is touched.
    const auto workspace = network_.TakeWorkspace(std::min(frames, kMostLatents));
    ForEachLatentGroup(latents, alone, pixels, [&](const at::Tensor& group, bool first_alone, float* out) {
      network_.Run(queue, workspace, carried, group, first_alone, out);
    });
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    return scene_start && !alone ? pixels.slice(0, kFramesPerLatent - 1) : pixels;
  }

  const at::ScalarType dtype_;
  const Network network_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_GPU_DECODER_GROUPED_DECODER_H_
