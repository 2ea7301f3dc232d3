#include "model/gpu/decoder/taehv_decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "model/gpu/decoder/conv.h"
#include "model/gpu/decoder/grouped_decoder.h"
#include "model/kernels/causal_conv.h"

namespace videodiffcr {
namespace {

struct DeviceMemoryBlock {
  DeviceConv a, b, c;  // a looks one frame back
};

struct DeviceStage {
  std::vector<DeviceMemoryBlock> blocks;
  std::vector<EnlargingConv> grow;  // one for each frame that a frame becomes
  int64_t next_channels() const { return grow.front().places[0].out_channels(); }
};

struct DeviceWeights {
  DeviceConv conv_in;
  std::vector<DeviceStage> stages;
  DeviceHead head;
};

DeviceMemoryBlock PackBlock(const MemoryBlockWeights& block, at::ScalarType dtype, at::Device device) {
  const int64_t channels = block.a.weight.size(0);
  // The first half of the channels is this frame, the second the one before, which lies first in time.
  const at::Tensor in_time =
      at::stack({block.a.weight.narrow(1, channels, channels), block.a.weight.narrow(1, 0, channels)}, /*dim=*/2);
  return {PackConv({in_time, block.a.bias}, dtype, device), PackConv(block.b, dtype, device),
          PackConv(block.c, dtype, device)};
}

DeviceStage PackStage(const TaehvUpStage& stage, at::ScalarType dtype, at::Device device) {
  DeviceStage packed;
  for (const MemoryBlockWeights& block : stage.blocks) packed.blocks.push_back(PackBlock(block, dtype, device));
  const int64_t channels = stage.conv.weight.size(1);
  for (const at::Tensor& frame : stage.grow.flatten(1).to(at::kDouble).split(channels)) {
    // There is nothing but the enlargement between the 1x1 convolution and the 3x3 one, and neither has a bias.
    const at::Tensor both = at::einsum("ocyx,ci->oiyx", {stage.conv.weight.to(at::kDouble), frame});
    packed.grow.push_back(PackEnlargingConv({both, {}}, dtype, device));
  }
  return packed;
}

DeviceWeights Pack(const TaehvDecoderWeights& weights, const VideoDecoderOptions& options) {
  DeviceWeights packed;
  packed.conv_in = PackConv(weights.conv_in, options.dtype, options.device);
  for (const TaehvUpStage& stage : weights.stages) {
    packed.stages.push_back(PackStage(stage, options.dtype, options.device));
  }
  packed.head = PackHead(weights.conv_out, options.dtype, options.device);
  return packed;
}

// A stage works in four runs of memory; the first two have room for the frame before the first.
struct Workspace {
  at::Tensor memory;  // owns them
  void* current = nullptr;
  void* next = nullptr;
  void* a = nullptr;
  void* b = nullptr;
};

// Values that the runs must hold.
struct WorkspaceSize {
  int64_t stream = 0;  // `current` and `next`, the shares of the last convolution included
  int64_t inner = 0;   // `a` and `b`
};

WorkspaceSize SizeFor(const DeviceWeights& weights, const VideoDecoderOptions& options, int64_t latents) {
  WorkspaceSize size;
  int64_t frames = latents, height = options.latent_height, width = options.latent_width;
  const auto hold = [&](int64_t channels, int64_t* values) {
    *values = std::max(*values, (frames + 1) * height * width * channels);
  };
  for (const DeviceStage& stage : weights.stages) {
    hold(stage.blocks.front().c.out_channels(), &size.stream);
    hold(stage.blocks.front().c.out_channels(), &size.inner);
    frames *= static_cast<int64_t>(stage.grow.size());
    height *= 2;
    width *= 2;
    hold(stage.next_channels(), &size.stream);
  }
  hold(weights.head.pitch(), &size.stream);
  return size;
}

int64_t RunBytes(int64_t values) { return (values * kDeviceValueBytes + 255) / 256 * 256; }

int64_t BytesOf(const WorkspaceSize& size) { return 2 * (RunBytes(size.stream) + RunBytes(size.inner)); }

Workspace LayOut(const WorkspaceSize& size, at::Device device) {
  const int64_t stream = RunBytes(size.stream), inner = RunBytes(size.inner);
  Workspace workspace;
  workspace.memory = at::empty({BytesOf(size)}, at::TensorOptions().dtype(at::kByte).device(device));
  char* start = static_cast<char*>(workspace.memory.mutable_data_ptr());
  workspace.current = start;
  workspace.next = start + stream;
  workspace.a = start + 2 * stream;
  workspace.b = start + 2 * stream + inner;
  return workspace;
}

class Pass {
 public:
  Pass(const DeviceWeights& weights, const DeviceQueue& queue, const Workspace& workspace,
       const std::vector<at::Tensor>& memories)
      : weights_(weights), queue_(queue), work_(workspace), memories_(memories) {}

  // `latents` [frames, z_dim, h, w] in the decoder's type; `pixels` fp32 [4 frames, 3, 8h, 8w].
  void Run(const at::Tensor& latents, float* pixels) {
    const at::Tensor z = (3 * at::tanh(latents / 3)).permute({0, 2, 3, 1}).contiguous();
    const DeviceClip input{z.mutable_data_ptr(), latents.size(0), latents.size(2), latents.size(3), latents.size(1)};
    DeviceClip x = input;
    x.channels = weights_.conv_in.out_channels();
    x.data = BehindMemory(work_.current, x);
    RunConv(queue_, weights_.conv_in, input, x, {.pad_rows = 1, .pad_columns = 1, .relu = true});
    for (const DeviceStage& stage : weights_.stages) {
      for (const DeviceMemoryBlock& block : stage.blocks) x = MemoryBlock(block, x);
      x = Grow(stage, x);
    }
    RunHead(queue_, weights_.head, x, work_.next, 1.0f, 0.0f, pixels);
  }

 private:
  // Where the frames of a clip in `run` begin when room is left for one before them.
  void* BehindMemory(void* run, const DeviceClip& clip) const {
    return static_cast<char*>(run) + clip.frame_values() * kDeviceValueBytes;
  }

  // relu(c(relu(b(relu(a([x_t, x_{t-1}]))))) + x_t). x lies in `current`, the result in what is `current` afterwards.
  DeviceClip MemoryBlock(const DeviceMemoryBlock& block, const DeviceClip& x) {
    const at::Tensor& memory = memories_[next_memory_++];
    CopyValues(queue_, memory.const_data_ptr(), work_.current, x.frame_values());
    DeviceClip with_memory = x, a = x, b = x, result = x;
    with_memory.data = work_.current;
    with_memory.frames = x.frames + 1;
    a.data = work_.a;
    b.data = work_.b;
    result.data = BehindMemory(work_.next, x);
    RunConv(queue_, block.a, with_memory, a, {.pad_rows = 1, .pad_columns = 1, .relu = true});
    RunConv(queue_, block.b, a, b, {.pad_rows = 1, .pad_columns = 1, .relu = true});
    RunConv(queue_, block.c, b, result, {.pad_rows = 1, .pad_columns = 1, .residual = x.data, .relu = true});
    const char* last = static_cast<const char*>(x.data) + (x.frames - 1) * x.frame_values() * kDeviceValueBytes;
    CopyValues(queue_, last, memory.mutable_data_ptr(), x.frame_values());
    std::swap(work_.current, work_.next);
    return result;
  }

  // More frames, twice the rows and columns. Only before the last convolution is there an activation.
  DeviceClip Grow(const DeviceStage& stage, const DeviceClip& x) {
    const bool last = &stage == &weights_.stages.back();
    const auto factor = static_cast<int64_t>(stage.grow.size());
    DeviceClip large{nullptr, x.frames * factor, 2 * x.height, 2 * x.width, stage.next_channels()};
    large.data = BehindMemory(work_.next, large);
    for (int64_t frame = 0; frame < factor; ++frame) {
      DeviceClip grown = large;
      grown.data = static_cast<char*>(large.data) + frame * large.frame_values() * kDeviceValueBytes;
      RunEnlargingConv(queue_, stage.grow[frame], x, grown, /*relu=*/last, /*frame_step=*/factor);
    }
    std::swap(work_.current, work_.next);
    return large;
  }

  const DeviceWeights& weights_;
  const DeviceQueue queue_;
  Workspace work_;
  const std::vector<at::Tensor>& memories_;
  size_t next_memory_ = 0;
};

// [rows, columns, channels] each: one frame of input per memory block, at the size of its stage.
std::vector<std::vector<int64_t>> MemoryShapes(const TaehvDecoderWeights& weights, const VideoDecoderOptions& options) {
  std::vector<std::vector<int64_t>> shapes;
  int64_t scale = 1;
  for (const TaehvUpStage& stage : weights.stages) {
    for (const MemoryBlockWeights& block : stage.blocks) {
      shapes.push_back({options.latent_height * scale, options.latent_width * scale, block.c.weight.size(0)});
    }
    scale *= 2;
  }
  return shapes;
}

static_assert(kTaehvFramesPerLatent == kFramesPerLatent);

class TaehvNetwork {
 public:
  static constexpr bool kFirstFrameAlone = false;

  TaehvNetwork(const TaehvDecoderWeights& weights, const VideoDecoderOptions& options)
      : options_(options), weights_(Pack(weights, options)) {}

  int64_t WorkspaceBytes(int64_t latents) const { return BytesOf(Size(latents)); }
  Workspace TakeWorkspace(int64_t latents) const { return LayOut(Size(latents), options_.device); }
  void Run(const DeviceQueue& queue, const Workspace& workspace, const std::vector<at::Tensor>& memories,
           const at::Tensor& group, bool, float* pixels) const {
    Pass(weights_, queue, workspace, memories).Run(group, pixels);
  }

 private:
  WorkspaceSize Size(int64_t latents) const { return SizeFor(weights_, options_, latents); }

  VideoDecoderOptions options_;
  DeviceWeights weights_;
};

}  // namespace

bool DeviceTaehvTakes(const TaehvDecoderWeights& weights, const VideoDecoderOptions& options) {
  return options.in_16_bits_on_gpu() &&
         kernels::CausalConvTakes(weights.conv_in.weight.size(1), weights.conv_in.weight.size(0));
}

std::unique_ptr<const VideoDecoder> MakeDeviceTaehvDecoder(const TaehvDecoderWeights& weights, int64_t z_dim,
                                                           const VideoDecoderOptions& options) {
  return std::make_unique<const GroupedDecoder<TaehvNetwork>>(TaehvNetwork(weights, options), options, z_dim,
                                                              MemoryShapes(weights, options));
}

}  // namespace videodiffcr
