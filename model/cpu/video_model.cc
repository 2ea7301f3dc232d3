#include "model/cpu/video_model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Half.h>

#include <algorithm>
#include <exception>
#include <map>
#include <new>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/config/model_config.h"
#include "model/config/noise.h"
#include "model/config/noise_schedule.h"
#include "model/cpu/chunk_sampler.h"
#include "model/cpu/failure.h"
#include "model/plain/decoder/video_decoder.h"
#include "model/plain/text/prompt_check.h"
#include "model/plain/text/text_encoder.h"
#include "system/steady_time.h"

namespace videodiffcr::cpu {
namespace {

struct FinishedLatents final : LatentChunk {
  absl::StatusOr<HalfLatents> CopyToHost() override {
    HalfLatents half(values.size());
    std::transform(values.begin(), values.end(), half.begin(), [](float value) { return c10::Half(value).x; });
    return half;
  }

  FloatBuffer values;  // [chunk frames, C, h, w]
  // Shared with the session: a chunk still being decoded outlives the session's end or its next scene.
  std::shared_ptr<DecoderState> decoder_state;
};

struct Session {
  Session(uint64_t seed, const ModelConfig& config, std::shared_ptr<DecoderState> state)
      : seed(seed), sampler(config.transformer, config.retention, seed), decoder_state(std::move(state)) {}
  const uint64_t seed;
  SamplerSession sampler;
  std::shared_ptr<DecoderState> decoder_state;
};

// [frames, 3, height, width] in [0, 1] to interleaved bytes, rounded to nearest.
FrameChunk ToRgb24(const at::Tensor& pixels) {
  const at::Tensor plain = pixels.contiguous();
  FrameChunk chunk;
  chunk.format = PixelFormat::kRgb24;
  chunk.frame_count = static_cast<int>(plain.size(0));
  chunk.height = static_cast<int>(plain.size(2));
  chunk.width = static_cast<int>(plain.size(3));
  const int64_t plane = plain.size(2) * plain.size(3);
  chunk.pixels.resize(plain.numel());
  const float* values = plain.const_data_ptr<float>();
  for (int64_t frame = 0; frame < chunk.frame_count; ++frame) {
    const float* red = values + frame * 3 * plane;
    uint8_t* out = chunk.pixels.data() + frame * 3 * plane;
    for (int64_t i = 0; i < plane; ++i) {
      for (int64_t colour = 0; colour < 3; ++colour) {
        out[3 * i + colour] = static_cast<uint8_t>(std::clamp(red[colour * plane + i], 0.0f, 1.0f) * 255.0f + 0.5f);
      }
    }
  }
  return chunk;
}

ModelInfo MakeInfo(const ModelParts& model, int lanes) {
  ModelInfo info = DescribeModel(model, "cpu");
  const ModelConfig& config = model.config;
  info.kv_cache_bytes = SessionCache::Bytes(config.transformer, config.retention);
  info.session_bytes = SamplerSession::Bytes(config.transformer, config.retention) + model.decoder->state_bytes();
  info.max_sessions_per_plan = lanes;
  return info;
}

// The chunk that has just been finished.
std::unique_ptr<LatentChunk> HandOut(const Session& session) {
  auto latents = std::make_unique<FinishedLatents>();
  latents->values = session.sampler.latents;
  latents->decoder_state = session.decoder_state;
  return latents;
}

class CpuVideoModel final : public VideoModel {
 public:
  CpuVideoModel(ModelParts model, int lanes, int niceness, const StepSchedule& schedule)
      : model_(std::move(model)),
        info_(MakeInfo(model_, lanes)),
        transformer_(model_.config.transformer, model_.config.retention,
                     PackTransformer(model_.config.transformer, model_.transformer, schedule.timesteps_and_context())),
        sampler_(&transformer_, model_.config.retention, schedule.sigmas),
        pool_(lanes, niceness) {
    model_.transformer = {};  // packed above
    for (int team = 0; team < lanes; ++team) scratch_.emplace_back(model_.config.transformer, model_.config.retention);
  }

  const ModelInfo& info() const override { return info_; }

  absl::StatusOr<PromptCheck> CheckPrompt(std::string_view prompt) const override {
    return videodiffcr::CheckPrompt(model_.tokenizer, prompt);
  }

  absl::Status BeginSession(SessionId session, uint64_t seed) override {
    try {
      sessions_.emplace(session, std::make_unique<Session>(seed, model_.config, NewDecoderState()));
    } catch (const std::exception& error) {
      return FailureOf(absl::StrCat("a session of ", info_.session_bytes, " bytes"), error);
    }
    return absl::OkStatus();
  }

  void EndSession(SessionId session) override { sessions_.erase(session); }

  std::vector<StepOutcome> Run(const StepPlan& plan) override;
  absl::StatusOr<FrameChunk> Decode(LatentChunk& latents) override;

 private:
  std::shared_ptr<DecoderState> NewDecoderState() const {
    return std::make_shared<DecoderState>(model_.decoder->NewState());
  }
  void StartScene(Session& session) const {
    session.sampler.cache.Reset();
    session.decoder_state = NewDecoderState();
  }

  // Every lane of the team calls it; rank 0 fills the outcome, or who fails first its status.
  void RunStep(const PlannedStep& step, TeamMember& member, StepOutcome& outcome);
  // The same, throwing what goes wrong. A chunk whose step threw can be made again from its first pass on.
  void DoStep(const PlannedStep& step, TeamMember& member, StepOutcome& outcome);
  absl::StatusOr<at::Tensor> TryDecode(FinishedLatents& finished) const;
  absl::StatusOr<FrameChunk> TryPack(const at::Tensor& pixels) const;
  absl::Status EncodePrompt(const std::string& prompt, SamplerSession& sampler) const;
  void FinishDenoise(const PlannedStep& step, const RetentionTable* table, Session& session,
                     StepOutcome& outcome) const;
  // The context pass over latents that are given. Every lane of the team calls it.
  void Rebuild(const PlannedStep& step, const RetentionTable* table, Session& session, PassScratch& scratch,
               TeamMember& member, StepOutcome& outcome) const;

  ModelParts model_;
  const ModelInfo info_;
  const CpuTransformer transformer_;
  const ChunkSampler sampler_;
  LanePool pool_;
  std::vector<PassScratch> scratch_;  // one per team
  std::map<SessionId, std::unique_ptr<Session>> sessions_;
};

std::vector<StepOutcome> CpuVideoModel::Run(const StepPlan& plan) {
  const int steps = static_cast<int>(plan.steps.size());
  std::vector<StepOutcome> outcomes(steps);
  if (steps == 0) return outcomes;
  // Side by side, one lane each, when there are enough sessions; otherwise lanes share a session's rows.
  const int team_size = std::clamp(pool_.lanes() / steps, 1, kRowGroups);
  pool_.Run(steps, team_size,
            [&](int index, TeamMember& member) { RunStep(plan.steps[index], member, outcomes[index]); });
  return outcomes;
}

void CpuVideoModel::RunStep(const PlannedStep& step, TeamMember& member, StepOutcome& outcome) {
  try {
    DoStep(step, member, outcome);
  } catch (const TeamBroken&) {
    // Another lane says why.
  } catch (const std::exception& error) {
    if (member.BreakOff()) outcome.status = FailureOf("this step", error);
  }
}

void CpuVideoModel::DoStep(const PlannedStep& step, TeamMember& member, StepOutcome& outcome) {
  const bool leads = member.rank() == 0;
  const absl::Time began = SteadyNow();
  const auto found = sessions_.find(step.session);
  const absl::StatusOr<const RetentionTable*> table = FindTable(model_.config.retention, step.budget);
  if (found == sessions_.end() || !table.ok()) {
    if (leads)
      outcome.status = !table.ok()
                           ? table.status()
                           : absl::NotFoundError(absl::StrCat("session ", step.session, " has no state in the model"));
    return;
  }
  Session& session = *found->second;
  PassScratch& scratch = scratch_[member.team()];
  switch (step.kind) {
    case StepKind::kText:
      if (leads) outcome.status = EncodePrompt(*step.prompt, session.sampler);
      break;
    case StepKind::kDenoise: {
      if (step.scene_start && step.step == 0 && leads) StartScene(session);
      const NoiseSource noise = [&](int draw, FloatBuffer& out) {
        FillNormal({session.seed, static_cast<uint64_t>(step.chunk), static_cast<uint32_t>(draw)}, absl::MakeSpan(out));
      };
      double routing_seconds = 0;
      const int64_t evicted = sampler_.Denoise(session.sampler, step.step, *table, noise, scratch, member,
                                               {leads ? &routing_seconds : nullptr, nullptr, nullptr});
      if (leads) {
        outcome.routing = absl::Seconds(routing_seconds);
        outcome.tokens_evicted = evicted;
        FinishDenoise(step, *table, session, outcome);
      }
      break;
    }
    case StepKind::kContext:
      sampler_.Context(session.sampler, *table, scratch, member);
      break;
    case StepKind::kRebuild:
      Rebuild(step, *table, session, scratch, member, outcome);
      break;
  }
  if (leads) outcome.elapsed = SteadyNow() - began;
}

absl::Status CpuVideoModel::EncodePrompt(const std::string& prompt, SamplerSession& sampler) const {
  absl::StatusOr<TokenizedPrompt> tokens = model_.tokenizer.Tokenize(prompt);
  if (!tokens.ok()) return tokens.status();
  try {
    const at::NoGradGuard no_gradients;
    const std::vector<int64_t> ids(tokens->ids.begin(), tokens->ids.end());
    const at::Tensor batch = at::tensor(ids, at::kLong).unsqueeze(0);  // [1, tokens]
    const at::Tensor rows = EncodeTokens(model_.config.text_encoder, model_.text_encoder, batch).contiguous();
    sampler.text = transformer_.EncodeText(rows.const_data_ptr<float>(), rows.size(1));
  } catch (const std::exception& error) {
    return FailureOf("the prompt", error);
  }
  return absl::OkStatus();
}

void CpuVideoModel::FinishDenoise(const PlannedStep& step, const RetentionTable* table, Session& session,
                                  StepOutcome& outcome) const {
  outcome.rows_dense = transformer_.RowsDense();
  outcome.rows_processed = table == nullptr
                               ? outcome.rows_dense
                               : RowsProcessed(*table, step.step, model_.config.transformer.tokens_per_chunk());
  outcome.past_keys = session.sampler.cache.past_rows();
  outcome.past_keys_whole = session.sampler.cache.whole_past_rows();
  if (step.step + 1 == sampler_.steps()) outcome.latents = HandOut(session);
}

void CpuVideoModel::Rebuild(const PlannedStep& step, const RetentionTable* table, Session& session,
                            PassScratch& scratch, TeamMember& member, StepOutcome& outcome) const {
  const bool leads = member.rank() == 0;
  if (leads) {
    if (step.scene_start) StartScene(session);
    const HalfLatents& given = *step.latents;
    if (given.size() != session.sampler.latents.size()) {
      throw std::invalid_argument(absl::StrCat(given.size(), " latents instead of ", session.sampler.latents.size()));
    }
    std::transform(given.begin(), given.end(), session.sampler.latents.begin(),
                   [](uint16_t half) { return static_cast<float>(c10::Half(half, c10::Half::from_bits())); });
  }
  sampler_.Rebuild(session.sampler, table, scratch, member);
  if (leads) outcome.latents = HandOut(session);
}

absl::StatusOr<FrameChunk> CpuVideoModel::Decode(LatentChunk& latents) {
  KeepMathOnThisThread();
  auto& finished = static_cast<FinishedLatents&>(latents);  // only RunStep() makes them
  // Once more for want of memory, like every step: a decode that failed has left its state as it was.
  absl::StatusOr<at::Tensor> pixels = TryDecode(finished);
  if (absl::IsResourceExhausted(pixels.status())) pixels = TryDecode(finished);
  if (!pixels.ok()) return pixels.status();
  absl::StatusOr<FrameChunk> frames = TryPack(*pixels);
  if (absl::IsResourceExhausted(frames.status())) frames = TryPack(*pixels);
  return frames;
}

absl::StatusOr<FrameChunk> CpuVideoModel::TryPack(const at::Tensor& pixels) const {
  try {
    return ToRgb24(pixels);
  } catch (const std::exception& error) {
    return FailureOf("frames", error);
  }
}

absl::StatusOr<at::Tensor> CpuVideoModel::TryDecode(FinishedLatents& finished) const {
  try {
    const at::NoGradGuard no_gradients;
    const TransformerConfig& sizes = model_.config.transformer;
    const at::Tensor chunk =
        at::from_blob(finished.values.data(),
                      {sizes.chunk_frames, sizes.out_dim, sizes.latent_height, sizes.latent_width}, at::kFloat);
    return model_.decoder->Decode(chunk, *finished.decoder_state);
  } catch (const std::exception& error) {
    return FailureOf("frames", error);
  }
}

}  // namespace

absl::StatusOr<int> LanesFor(int threads) {
  if (threads < 0) return absl::InvalidArgumentError(absl::StrCat("threads ", threads, ": must be at least 0"));
  KeepMathOnThisThread();
  return threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

absl::StatusOr<std::unique_ptr<VideoModel>> MakeVideoModel(ModelParts model, int lanes, int niceness) {
  const absl::StatusOr<StepSchedule> schedule = MakeStepSchedule(model.config.sampling);
  if (!schedule.ok()) return schedule.status();
  return std::make_unique<CpuVideoModel>(std::move(model), lanes, niceness, *schedule);
}

}  // namespace videodiffcr::cpu
