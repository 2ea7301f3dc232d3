#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "model/config/noise.h"
#include "model/config/retention_table.h"
#include "model/cpu/chunk_sampler.h"
#include "model/cpu/failure.h"
#include "model/cpu/lane_pool.h"
#include "model/cpu/video_model.h"
#include "model/rollout/device_rollouts.h"

namespace videodiffcr {
namespace {

using cpu::TeamMember;

class CpuRollout final : public LatentRollout {
 public:
  CpuRollout(ModelConfig config, const TransformerWeights& weights, const StepSchedule& schedule, int lanes,
             int most_clips)
      : config_(std::move(config)),
        most_clips_(most_clips),
        transformer_(config_.transformer, config_.retention,
                     cpu::PackTransformer(config_.transformer, weights, schedule.timesteps_and_context())),
        sampler_(&transformer_, config_.retention, schedule.sigmas),
        pool_(lanes) {
    for (int team = 0; team < lanes; ++team) scratch_.emplace_back(config_.transformer, config_.retention);
  }

  const ModelConfig& config() const override { return config_; }
  at::Device device() const override { return at::kCPU; }
  int most_clips() const override { return most_clips_; }

  absl::Status Begin(const std::vector<RolloutClip>& clips) override {
    if (absl::Status checked = CheckClips(config_.transformer, clips, most_clips_); !checked.ok()) return checked;
    try {
      clips_.clear();
      chunk_ = 0;
      for (const RolloutClip& clip : clips) {
        Clip& made = *clips_.emplace_back(std::make_unique<Clip>(clip.seed, config_.transformer));
        const at::Tensor rows = clip.text.to(at::kCPU, at::kFloat).contiguous();
        made.sampler.text = transformer_.EncodeText(rows.const_data_ptr<float>(), rows.size(0));
      }
      return absl::OkStatus();
    } catch (const std::exception& error) {
      return cpu::FailureOf("the clips of a rollout", error);
    }
  }

  absl::StatusOr<at::Tensor> NextChunk(RetentionTenths budget, const OnPass& on_pass) override {
    const absl::StatusOr<const RetentionTable*> table = FindTable(config_.retention, budget);
    if (!table.ok()) return table.status();
    for (int step = 0; step < sampler_.steps(); ++step) {
      if (absl::Status passed = Denoise(step, *table, on_pass); !passed.ok()) return passed;
    }
    absl::StatusOr<at::Tensor> latents = Latents();
    if (!latents.ok()) return latents.status();
    const absl::Status context = RunTeams([&](size_t number, TeamMember& member) {
      sampler_.Context(clips_[number]->sampler, *table, scratch_[member.team()], member);
    });
    if (!context.ok()) return context;
    ++chunk_;
    return latents;
  }

 private:
  struct Clip {
    Clip(uint64_t seed, const TransformerConfig& config) : seed(seed), sampler(config) {}
    const uint64_t seed;
    cpu::SamplerSession sampler;
  };

  // Calls work(clip's number, member) for every clip, on teams as VideoModel has them.
  template <typename Work>
  absl::Status RunTeams(const Work& work) {
    const int count = static_cast<int>(clips_.size());
    std::vector<absl::Status> statuses(clips_.size());
    const int team_size = std::clamp(pool_.lanes() / count, 1, cpu::kRowGroups);
    pool_.Run(count, team_size, [&](int index, TeamMember& member) {
      try {
        work(static_cast<size_t>(index), member);
      } catch (const cpu::TeamBroken&) {
        // Another lane says why.
      } catch (const std::exception& error) {
        if (member.BreakOff()) statuses[static_cast<size_t>(index)] = cpu::FailureOf("a pass", error);
      }
    });
    for (const absl::Status& status : statuses) {
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Denoise(int step, const RetentionTable* table, const OnPass& on_pass) {
    ObservedPass pass = {chunk_, step, {}};
    if (on_pass) {
      absl::StatusOr<at::Tensor> stream = Stream();
      if (!stream.ok()) return stream.status();
      pass.stream = *std::move(stream);
    }
    const absl::Status passed = RunTeams([&](size_t number, TeamMember& member) {
      Clip& clip = *clips_[number];
      const cpu::NoiseSource noise = [&](int draw, cpu::FloatBuffer& out) {
        FillNormal({clip.seed, static_cast<uint64_t>(chunk_), static_cast<uint32_t>(draw)}, absl::MakeSpan(out));
      };
      cpu::PassObserver observer;
      if (on_pass) {
        observer.on_stream = [&](int64_t layer, const float* x) {
          const int64_t values = config_.transformer.tokens_per_chunk() * config_.transformer.dim;
          const int64_t place = layer * static_cast<int64_t>(clips_.size()) + static_cast<int64_t>(number);
          std::copy_n(x, values, pass.stream.mutable_data_ptr<float>() + place * values);
        };
      }
      sampler_.Denoise(clip.sampler, step, table, noise, scratch_[member.team()], member, observer);
    });
    return passed.ok() && on_pass ? on_pass(pass) : passed;
  }

  // The memory for what is observed, taken when it is first wanted.
  absl::StatusOr<at::Tensor> Stream() {
    const TransformerConfig& c = config_.transformer;
    const std::vector<int64_t> shape = {c.num_layers + 1, static_cast<int64_t>(clips_.size()), c.tokens_per_chunk(),
                                        c.dim};
    try {
      if (!stream_.defined() || stream_.sizes() != at::IntArrayRef(shape)) stream_ = at::empty(shape, at::kFloat);
      return stream_;
    } catch (const std::exception& error) {
      return cpu::FailureOf("what blocks read and leave", error);
    }
  }

  absl::StatusOr<at::Tensor> Latents() const {
    const TransformerConfig& c = config_.transformer;
    try {
      at::Tensor latents =
          at::empty({static_cast<int64_t>(clips_.size()), c.chunk_frames, c.out_dim, c.latent_height, c.latent_width},
                    at::kFloat);
      float* out = latents.mutable_data_ptr<float>();
      for (const std::unique_ptr<Clip>& clip : clips_) {
        out = std::copy(clip->sampler.latents.begin(), clip->sampler.latents.end(), out);
      }
      return latents;
    } catch (const std::exception& error) {
      return cpu::FailureOf("latents", error);
    }
  }

  const ModelConfig config_;
  const int most_clips_;
  const cpu::CpuTransformer transformer_;
  const cpu::ChunkSampler sampler_;
  cpu::LanePool pool_;
  std::vector<cpu::PassScratch> scratch_;  // one per team
  std::vector<std::unique_ptr<Clip>> clips_;
  int64_t chunk_ = 0;
  at::Tensor stream_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LatentRollout>> MakeCpuRollout(ModelConfig config, TransformerWeights weights,
                                                              const StepSchedule& schedule,
                                                              const LatentRolloutOptions& options) {
  const absl::StatusOr<int> lanes = cpu::LanesFor(options.threads);
  if (!lanes.ok()) return lanes.status();
  const int most = options.most_clips == 0 ? *lanes : std::min(options.most_clips, *lanes);
  return std::make_unique<CpuRollout>(std::move(config), weights, schedule, *lanes, most);
}

}  // namespace videodiffcr
