#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "absl/functional/function_ref.h"
#include "model/config/retention_table.h"
#include "model/gpu/current_device.h"
#include "model/gpu/session_pool.h"
#include "model/gpu/transformer.h"
#include "model/gpu/video_model.h"
#include "model/gpu/weights.h"
#include "model/plain/transformer/diffusion_transformer.h"
#include "model/rollout/served_passes.h"

namespace videodiffcr {
namespace {

constexpr gpu::Precision kPrecision = gpu::Precision::kBfloat16;
constexpr kernels::Element kElement = kernels::Element::kBfloat16;

class GpuPasses final : public ServedPasses {
 public:
  GpuPasses(const ServedNetwork& network, gpu::GpuTransformerWeights weights, int processors, const at::Tensor& text)
      : config_(network.config),
        retention_(network.retention),
        clips_(static_cast<int>(text.size(0))),
        clips_a_pass_(std::min(clips_, gpu::SessionsPerPass(config_))),
        pool_(config_, kPrecision, kElement, clips_, retention_),
        transformer_(config_, retention_, std::move(weights), kPrecision, kElement, clips_a_pass_, processors),
        context_timestep_(static_cast<int>(network.schedule.timesteps.size())) {
    const at::NoGradGuard no_gradients;
    for (int clip = 0; clip < clips_; ++clip) transformer_.EncodeText(text[clip], clip, pool_);
  }

  at::Tensor Flow(const at::Tensor& latents, int64_t step) override {
    const at::NoGradGuard no_gradients;
    Enter(latents);
    const int64_t values = config_.patch_height * config_.patch_width * config_.out_dim;
    const at::Tensor flow =
        at::empty({clips_, config_.tokens_per_chunk(), values}, latents.options().dtype(at::kFloat));
    PassAll(static_cast<int>(step), /*context_pass=*/false, [&](int first, int last) {
      for (int clip = first; clip < last; ++clip) flow[clip].copy_(transformer_.flow(clip - first));
    });
    return Unpatchify(config_, flow);
  }

  std::vector<KeysValues> ContextKeys(const at::Tensor& latents) override {
    const at::NoGradGuard no_gradients;
    Enter(latents);
    PassAll(context_timestep_, /*context_pass=*/true, [](int, int) {});
    std::vector<KeysValues> keys;
    for (int64_t layer = 0; layer < config_.num_layers; ++layer) keys.push_back(KeysOf(layer));
    for (int clip = 0; clip < clips_; ++clip) {
      pool_.MarkChunkComplete(clip, /*shares=*/nullptr, /*seed=*/0, gpu::CurrentStream());
    }
    in_chunk_ = false;
    finished_frames_ += config_.chunk_frames;
    return keys;
  }

 private:
  // The first pass of a chunk begins it, whichever it is.
  void Enter(const at::Tensor& latents) {
    // Beyond, the pool would overwrite keys that a graph may still want.
    TORCH_CHECK(finished_frames_ + config_.chunk_frames <= config_.window_frames,
                "a clip of trained passes is longer than its window of ", config_.window_frames, " frames");
    for (int clip = 0; clip < clips_; ++clip) {
      if (!in_chunk_) pool_.BeginChunk(clip, gpu::CurrentStream());
      pool_.latents(clip).copy_(latents[clip]);
    }
    in_chunk_ = true;
  }

  // A pass of all clips, as many at a time as are worth it; `taken` follows each such group, [first, last).
  void PassAll(int timestep, bool context_pass, absl::FunctionRef<void(int first, int last)> taken) {
    for (int first = 0; first < clips_; first += clips_a_pass_) {
      const int last = std::min(clips_, first + clips_a_pass_);
      transformer_.Pass(Requests(first, last, timestep, context_pass), pool_);
      taken(first, last);
    }
  }

  std::vector<gpu::PassRequest> Requests(int first, int last, int timestep, bool context_pass) const {
    std::vector<gpu::PassRequest> requests;
    for (int clip = first; clip < last; ++clip) {
      gpu::PassRequest& request = requests.emplace_back();
      request.slot = clip;
      request.timestep = timestep;
      request.context_pass = context_pass;
      request.rule =
          RuleOfPass(retention_, retention_.tables.empty() ? nullptr : &retention_.tables.front(), context_pass);
    }
    return requests;
  }

  // Of the current chunk. All clips are equally far.
  KeysValues KeysOf(int64_t layer) const {
    const auto chunk = [&](const at::Tensor& pool, int64_t row_in_slot) {
      return pool.view({clips_, -1, config_.num_heads, config_.head_dim()})
          .narrow(1, row_in_slot, config_.tokens_per_chunk());
    };
    const int64_t row = pool_.past_rows(0, layer);
    const at::Tensor values = chunk(pool_.values(layer), row);
    if (!pool_.relative()) return {chunk(pool_.keys(layer), row), values};
    // Un-rotated keys lie where those of the next chunk will.
    return {chunk(pool_.plain_keys(layer), pool_.plain_chunk_row(0, layer)).clone(), values};
  }

  const TransformerConfig config_;
  const RetentionConfig retention_;
  const int clips_, clips_a_pass_;
  gpu::SessionPool pool_;
  gpu::GpuTransformer transformer_;
  const int context_timestep_;
  bool in_chunk_ = false;
  int64_t finished_frames_ = 0;
};

}  // namespace

absl::Status CheckServedPasses(const TransformerConfig& config, at::Device device) {
  if (!device.is_cuda()) return absl::FailedPreconditionError("they are for a GPU");
  return gpu::CheckSizes(config, kPrecision);
}

absl::StatusOr<std::unique_ptr<ServedPasses>> MakeServedPasses(const ServedNetwork& network, const at::Tensor& text) {
  const absl::Status can = CheckServedPasses(network.config, text.device());
  if (!can.ok()) return can;
  const absl::StatusOr<gpu::DeviceAtStart> device = gpu::PrepareDevice({});
  if (!device.ok()) return device.status();
  const at::NoGradGuard no_gradients;
  absl::StatusOr<gpu::GpuTransformerWeights> packed =
      gpu::MakeGpuWeights(network.config, network.weights, network.schedule.timesteps_and_context(), kPrecision);
  if (!packed.ok()) return packed.status();
  return std::make_unique<GpuPasses>(network, *std::move(packed), device->processors, text);
}

}  // namespace videodiffcr
