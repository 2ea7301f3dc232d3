#include "model/gpu/decoder/wan_vae_decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "model/gpu/decoder/conv.h"
#include "model/gpu/decoder/grouped_decoder.h"
#include "model/kernels/causal_conv.h"
#include "model/kernels/channel_norm.h"
#include "model/plain/decoder/causal_conv.h"
#include "model/plain/decoder/wan_vae.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMemoryAlignment = 256;

int64_t Aligned(int64_t bytes) { return (bytes + kMemoryAlignment - 1) / kMemoryAlignment * kMemoryAlignment; }

struct DeviceResidualBlock {
  at::Tensor norm1, norm2;  // gains, fp32
  DeviceConv conv1, conv2;
  std::optional<DeviceConv> shortcut;
};

struct DeviceLevel {
  std::vector<DeviceResidualBlock> blocks;
  // Temporal upsampling: the earlier and the later of the two frames that a frame becomes. Both or none.
  std::optional<DeviceConv> earlier, later;
  std::optional<EnlargingConv> enlarge;
};

struct DeviceWeights {
  at::Tensor latent_matrix;  // [16, 16] and
  at::Tensor latent_shift;   // [16]: normalisation and conv2 in one, fp32
  DeviceConv conv_in;
  DeviceResidualBlock first, second;  // the middle, around
  at::Tensor attention_norm;          // its attention
  DeviceConv to_qkv, proj;
  std::vector<DeviceLevel> levels;
  at::Tensor head_norm;
  DeviceHead head;
};

class Packer {
 public:
  explicit Packer(const VideoDecoderOptions& options) : dtype_(options.dtype), device_(options.device) {}

  DeviceConv Conv(const ConvWeights& conv) const { return PackConv(conv, dtype_, device_); }
  EnlargingConv Enlarging(const ConvWeights& conv) const { return PackEnlargingConv(conv, dtype_, device_); }
  DeviceHead Head(const ConvWeights& conv) const { return PackHead(conv, dtype_, device_); }
  at::Tensor Gain(const at::Tensor& gain) const { return Wide(gain.flatten()); }
  at::Tensor Wide(const at::Tensor& tensor) const { return tensor.to(device_, at::kFloat).contiguous(); }
  DeviceResidualBlock Block(const ResidualBlockWeights& block) const {
    DeviceResidualBlock packed{Gain(block.norm1), Gain(block.norm2), Conv(block.conv1), Conv(block.conv2), {}};
    if (block.shortcut) packed.shortcut = Conv(*block.shortcut);
    return packed;
  }
  DeviceLevel Level(const VaeLevelWeights& level) const {
    DeviceLevel packed;
    for (const ResidualBlockWeights& block : level.blocks) packed.blocks.push_back(Block(block));
    if (!level.resample) return packed;
    packed.enlarge = Enlarging(level.resample->spatial);
    if (const auto& temporal = level.resample->temporal) {
      const int64_t half = temporal->weight.size(0) / 2;
      packed.earlier = Conv({temporal->weight.narrow(0, 0, half), temporal->bias.narrow(0, 0, half)});
      packed.later = Conv({temporal->weight.narrow(0, half, half), temporal->bias.narrow(0, half, half)});
    }
    return packed;
  }

 private:
  const at::ScalarType dtype_;
  const at::Device device_;
};

DeviceWeights Pack(const WanVaeDecoderWeights& weights, const VideoDecoderOptions& options) {
  const Packer packer(options);
  const LatentNormalization normal = WanLatentNormalization(options.dtype);
  const at::Tensor conv2 = weights.conv2.weight.flatten(1).to(at::kCPU, at::kFloat);  // [16, 16]
  DeviceWeights packed;
  packed.latent_matrix = packer.Wide((conv2 / normal.inverse_std.to(at::kFloat)).t());
  packed.latent_shift =
      packer.Wide(at::mv(conv2, normal.mean.to(at::kFloat)) + weights.conv2.bias.to(at::kCPU, at::kFloat));
  packed.conv_in = packer.Conv(weights.conv1);
  packed.first = packer.Block(weights.middle.first);
  packed.second = packer.Block(weights.middle.second);
  packed.attention_norm = packer.Gain(weights.middle.attention.norm);
  packed.to_qkv = packer.Conv(weights.middle.attention.to_qkv);
  packed.proj = packer.Conv(weights.middle.attention.proj);
  for (const VaeLevelWeights& level : weights.levels) packed.levels.push_back(packer.Level(level));
  packed.head_norm = packer.Gain(weights.head.norm);
  packed.head = packer.Head(weights.head.conv);
  return packed;
}

// Three runs of device memory that the layers of a call hand their frames about in.
struct Workspace {
  at::Tensor memory;        // owns them
  void* current = nullptr;  // the residual stream
  void* other = nullptr;    // right behind `current`, unless they were exchanged
  void* padded = nullptr;   // history, then what the next convolution reads
  void* shares = nullptr;   // the first two together
};

// Largest number of values that each run must hold when `latents` frames go through together.
struct WorkspaceSize {
  int64_t stream = 0, padded = 0, shares = 0;
};

WorkspaceSize SizeFor(const DeviceWeights& weights, const VideoDecoderOptions& options, int64_t latents) {
  WorkspaceSize size;
  int64_t frames = latents, height = options.latent_height, width = options.latent_width;
  const auto hold = [&](int64_t channels) {
    size.stream = std::max(size.stream, frames * height * width * channels);
    size.padded = std::max(size.padded, (frames + kHistoryFrames) * height * width * channels);
  };
  hold(weights.conv_in.weight.size(4));
  hold(weights.to_qkv.out_channels());
  for (const DeviceLevel& level : weights.levels) {
    for (const DeviceResidualBlock& block : level.blocks) {
      hold(block.conv1.weight.size(4));
      hold(block.conv1.out_channels());
    }
    if (!level.enlarge) break;
    if (level.earlier) frames *= 2;
    hold(level.blocks.back().conv2.out_channels());
    height *= 2;
    width *= 2;
    hold(level.enlarge->places[0].out_channels());
  }
  size.shares = (frames + kHistoryFrames) * height * width * weights.head.pitch();
  return size;
}

int64_t StreamBytes(const WorkspaceSize& size) {
  return Aligned(std::max(size.stream, (size.shares + 1) / 2) * kDeviceValueBytes);
}

int64_t BytesOf(const WorkspaceSize& size) { return 2 * StreamBytes(size) + Aligned(size.padded * kDeviceValueBytes); }

Workspace LayOut(const WorkspaceSize& size, at::Device device) {
  const int64_t stream = StreamBytes(size);
  Workspace workspace;
  workspace.memory = at::empty({BytesOf(size)}, at::TensorOptions().dtype(at::kByte).device(device));
  char* start = static_cast<char*>(workspace.memory.mutable_data_ptr());
  workspace.current = workspace.shares = start;
  workspace.other = start + stream;
  workspace.padded = start + 2 * stream;
  return workspace;
}

// One group of latent frames on its way through the network. `x` is the residual stream, always in `current`.
class Pass {
 public:
  Pass(const DeviceWeights& weights, const DeviceQueue& queue, const Workspace& workspace,
       const std::vector<at::Tensor>& histories, bool scene_start)
      : weights_(weights), queue_(queue), work_(workspace), histories_(histories), scene_start_(scene_start) {}

  // `latents` [frames, 16, h, w] in the decoder's type; `pixels` fp32 [T, 3, 8h, 8w].
  void Run(const at::Tensor& latents, float* pixels) {
    ReadLatents(latents);
    ResidualBlock(weights_.first);
    Attention();
    ResidualBlock(weights_.second);
    for (const DeviceLevel& level : weights_.levels) {
      for (const DeviceResidualBlock& block : level.blocks) ResidualBlock(block);
      if (level.enlarge) Upsample(level);
    }
    const DeviceClip normed = NormAfterHistory(weights_.head_norm);
    // The stream is not read any more: its two runs together hold the shares.
    RunHead(queue_, weights_.head, normed, work_.shares, 0.5f, 0.5f, pixels);
  }

 private:
  at::Device device() const { return weights_.latent_matrix.device(); }
  void* After(void* data, int64_t values) const { return static_cast<char*>(data) + values * kDeviceValueBytes; }

  void Norm(const at::Tensor& gain, const DeviceClip& from, bool silu, void* to) const {
    kernels::ChannelNormCall call;
    call.element = queue_.element();
    call.positions = from.positions();
    call.channels = static_cast<int>(from.channels);
    call.input = from.data;
    call.gain = gain.const_data_ptr<float>();
    call.silu = silu;
    call.output = to;
    TORCH_CHECK(kernels::ChannelNorm(call, queue_.stream), "the norm kernel refused ", from.channels, " channels");
  }

  // The padded run as a clip: the two frames of history of the next convolution, then room for `clip`.
  DeviceClip BehindHistory(const DeviceClip& clip) {
    CopyValues(queue_, histories_[next_history_].const_data_ptr(), work_.padded, kHistoryFrames * clip.frame_values());
    return {work_.padded, clip.frames + kHistoryFrames, clip.height, clip.width, clip.channels};
  }
  // The last two frames are what the next call finds.
  void KeepHistory(const DeviceClip& padded) {
    CopyValues(queue_, After(padded.data, (padded.frames - kHistoryFrames) * padded.frame_values()),
               histories_[next_history_++].mutable_data_ptr(), kHistoryFrames * padded.frame_values());
  }

  // silu(norm(x)) behind its history.
  DeviceClip NormAfterHistory(const at::Tensor& gain) { return NormAfterHistory(gain, x_); }
  DeviceClip NormAfterHistory(const at::Tensor& gain, const DeviceClip& from) {
    const DeviceClip padded = BehindHistory(from);
    Norm(gain, from, /*silu=*/true, After(padded.data, kHistoryFrames * padded.frame_values()));
    KeepHistory(padded);
    return padded;
  }

  void ReadLatents(const at::Tensor& latents) {
    const at::Tensor rows = latents.permute({0, 2, 3, 1}).reshape({-1, latents.size(1)}).to(at::kFloat);
    const at::Tensor z = at::addmm(weights_.latent_shift, rows, weights_.latent_matrix).to(queue_.dtype);
    x_ = {z.mutable_data_ptr(), latents.size(0), latents.size(2), latents.size(3), latents.size(1)};
    const DeviceClip padded = BehindHistory(x_);
    CopyValues(queue_, x_.data, After(padded.data, kHistoryFrames * padded.frame_values()), z.numel());
    KeepHistory(padded);
    x_.data = work_.current;
    x_.channels = weights_.conv_in.out_channels();
    RunConv(queue_, weights_.conv_in, padded, x_, {.pad_rows = 1, .pad_columns = 1});
  }

  void ResidualBlock(const DeviceResidualBlock& block) {
    DeviceClip y = x_;
    y.channels = block.conv1.out_channels();
    if (block.shortcut) {
      // The skip takes the other run's place, the first convolution the stream's.
      y.data = work_.other;
      RunConv(queue_, *block.shortcut, x_, y);
      const DeviceClip padded = NormAfterHistory(block.norm1);
      DeviceClip hidden = y;
      hidden.data = work_.current;
      RunConv(queue_, block.conv1, padded, hidden, {.pad_rows = 1, .pad_columns = 1});
      RunConv(queue_, block.conv2, NormAfterHistory(block.norm2, hidden), y,
              {.pad_rows = 1, .pad_columns = 1, .residual = y.data});
      Exchange(y);
      return;
    }
    y.data = work_.other;
    RunConv(queue_, block.conv1, NormAfterHistory(block.norm1), y, {.pad_rows = 1, .pad_columns = 1});
    RunConv(queue_, block.conv2, NormAfterHistory(block.norm2, y), x_,
            {.pad_rows = 1, .pad_columns = 1, .residual = x_.data});
  }

  // One head over the positions of each frame.
  void Attention() {
    Norm(weights_.attention_norm, x_, /*silu=*/false, work_.other);
    DeviceClip normed = x_, qkv = x_;
    normed.data = work_.other;
    qkv.data = work_.padded;
    qkv.channels = 3 * x_.channels;
    RunConv(queue_, weights_.to_qkv, normed, qkv);
    const int64_t positions = x_.height * x_.width;
    const std::vector<at::Tensor> parts =
        DeviceView(queue_, qkv.data, {x_.frames, 1, positions, qkv.channels}, device()).chunk(3, -1);
    const at::Tensor y = at::scaled_dot_product_attention(parts[0], parts[1], parts[2]).contiguous();
    DeviceClip attended = x_;
    attended.data = y.mutable_data_ptr();
    RunConv(queue_, weights_.proj, attended, x_, {.residual = x_.data});
  }

  void Upsample(const DeviceLevel& level) {
    if (level.earlier && scene_start_) {
      ++next_history_;  // the first latent frame of a scene stays one frame and leaves nothing behind
    } else if (level.earlier) {
      const DeviceClip padded = BehindHistory(x_);
      CopyValues(queue_, x_.data, After(padded.data, kHistoryFrames * padded.frame_values()),
                 x_.frames * x_.frame_values());
      KeepHistory(padded);
      DeviceClip doubled = x_;
      doubled.frames *= 2;
      doubled.data = work_.other;
      RunConv(queue_, *level.earlier, padded, doubled, {}, /*frame_step=*/2);
      DeviceClip later = doubled;
      later.data = After(doubled.data, doubled.frame_values());
      RunConv(queue_, *level.later, padded, later, {}, /*frame_step=*/2);
      Exchange(doubled);
    }
    DeviceClip large = x_;
    large.height *= 2;
    large.width *= 2;
    large.channels = level.enlarge->places[0].out_channels();
    large.data = work_.other;
    RunEnlargingConv(queue_, *level.enlarge, x_, large);
    Exchange(large);
  }

  // `clip`, in the other run, becomes the stream.
  void Exchange(const DeviceClip& clip) {
    x_ = clip;
    std::swap(work_.current, work_.other);
  }

  const DeviceWeights& weights_;
  const DeviceQueue queue_;
  Workspace work_;
  const std::vector<at::Tensor>& histories_;
  const bool scene_start_;
  size_t next_history_ = 0;
  DeviceClip x_;
};

// [2, rows, columns, channels] each, in the order of wan_vae.md section 6.
std::vector<std::vector<int64_t>> HistoryShapes(const WanVaeDecoderWeights& weights,
                                                const VideoDecoderOptions& options) {
  std::vector<std::vector<int64_t>> shapes = WanVaeHistoryShapes(weights, options.latent_height, options.latent_width);
  for (std::vector<int64_t>& shape : shapes) shape = {shape[2], shape[3], shape[4], shape[1]};
  return shapes;
}

class WanVaeNetwork {
 public:
  static constexpr bool kFirstFrameAlone = true;

  WanVaeNetwork(const WanVaeDecoderWeights& weights, const VideoDecoderOptions& options)
      : options_(options), weights_(Pack(weights, options)) {}

  int64_t WorkspaceBytes(int64_t latents) const { return BytesOf(Size(latents)); }
  Workspace TakeWorkspace(int64_t latents) const { return LayOut(Size(latents), options_.device); }
  void Run(const DeviceQueue& queue, const Workspace& workspace, const std::vector<at::Tensor>& histories,
           const at::Tensor& group, bool starts_scene, float* pixels) const {
    Pass(weights_, queue, workspace, histories, starts_scene).Run(group, pixels);
  }

 private:
  WorkspaceSize Size(int64_t latents) const { return SizeFor(weights_, options_, latents); }

  VideoDecoderOptions options_;
  DeviceWeights weights_;
};

bool BlockFits(const ResidualBlockWeights& block) {
  const int64_t in = block.conv1.weight.size(1), out = block.conv1.weight.size(0);
  return kernels::CausalConvTakes(in, out) && kernels::ChannelNormTakes(in) && kernels::ChannelNormTakes(out);
}

}  // namespace

bool DeviceWanVaeTakes(const WanVaeDecoderWeights& weights, const VideoDecoderOptions& options) {
  bool fits = options.in_16_bits_on_gpu();
  fits = fits && BlockFits(weights.middle.first) && BlockFits(weights.middle.second);
  for (const VaeLevelWeights& level : weights.levels) {
    for (const ResidualBlockWeights& block : level.blocks) fits = fits && BlockFits(block);
    if (level.resample) fits = fits && level.resample->spatial.weight.size(0) % 8 == 0;
  }
  return fits;
}

std::unique_ptr<const VideoDecoder> MakeDeviceWanVaeDecoder(const WanVaeDecoderWeights& weights, int64_t z_dim,
                                                            const VideoDecoderOptions& options) {
  return std::make_unique<const GroupedDecoder<WanVaeNetwork>>(WanVaeNetwork(weights, options), options, z_dim,
                                                               HistoryShapes(weights, options));
}

}  // namespace videodiffcr
