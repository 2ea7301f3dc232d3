#include "model/gpu/gpu_video_model.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <exception>
#include <map>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "model/decoder/frame_download.h"
#include "model/folder/model_folder.h"
#include "model/gpu/chunk_engine.h"
#include "model/gpu/device_event.h"
#include "model/gpu/gpu_weights.h"
#include "model/gpu/side_thread.h"
#include "model/rollout/noise_schedule.h"
#include "model/text/packed_text_encoder.h"

namespace videodiffcr::gpu {
namespace {

constexpr int kMostSessions = 64;
constexpr SessionId kWarmupSession = -1;  // scheduler ids start at 0

struct FinishedLatents final : LatentChunk {
  at::Tensor values;  // [chunk frames, C, h, w] fp32 on the device
  DeviceEvent ready;
  // Shared with the session: a chunk still being decoded outlives the session's end or its next scene.
  std::shared_ptr<DecoderState> decoder_state;
};

struct Session {
  int slot = 0;
  uint64_t seed = 0;
  std::shared_ptr<DecoderState> decoder_state;
};

struct GpuParts {
  GpuParts(ModelFolder folder, GpuTransformerWeights weights, const StepSchedule& schedule, Precision precision,
           kernels::Element key_element, int slots, int plan_sessions, int processors)
      : model(std::move(folder)),
        text(model.config.text_encoder, std::move(model.text_encoder), model.config.transformer.text_len),
        pool(model.config.transformer, precision, key_element, slots),
        transformer(model.config.transformer, model.config.retention, std::move(weights), precision, key_element,
                    plan_sessions, processors),
        engine(model.config.transformer, model.config.retention, schedule, &transformer, &pool) {}
  ModelFolder model;  // its text encoder and transformer have moved on, packed
  PackedTextEncoder text;
  SessionPool pool;
  GpuTransformer transformer;
  ChunkEngine engine;
};

class GpuVideoModel final : public VideoModel {
 public:
  GpuVideoModel(std::unique_ptr<GpuParts> parts, ModelInfo info)
      : parts_(std::move(parts)),
        info_(std::move(info)),
        engine_stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false)),
        // A finished chunk's few milliseconds of decoding go before the context pass and the next chunk, or a viewer
        // would wait for those too.
        decode_stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true)) {
    for (int slot = parts_->pool.slots() - 1; slot >= 0; --slot) free_slots_.push_back(slot);
  }
  ~GpuVideoModel() override { cudaDeviceSynchronize(); }

  const ModelInfo& info() const override { return info_; }
  absl::StatusOr<PromptCheck> CheckPrompt(std::string_view prompt) const override;
  absl::Status BeginSession(SessionId session, uint64_t seed) override;
  void EndSession(SessionId session) override;
  std::vector<StepOutcome> Run(const StepPlan& plan) override;
  absl::StatusOr<FrameChunk> Decode(std::unique_ptr<LatentChunk> latents) override;

  // The first two chunks of a scene at every budget, decoded.
  absl::Status WarmUp();

 private:
  const ModelConfig& config() const { return parts_->model.config; }
  // What encoders take without another conversion, where chroma of half the size fits.
  PixelFormat FrameFormat() const {
    return info_.width % 2 == 0 && info_.height % 2 == 0 ? PixelFormat::kYuv420p : PixelFormat::kRgb24;
  }
  // nullptr with OK: the dense model.
  absl::StatusOr<const RetentionTable*> TableOf(RetentionTenths budget) const;
  std::shared_ptr<DecoderState> NewDecoderState();
  absl::Status EncodePrompt(const PlannedStep& step, Session& session);
  // Fills `chunk_step`; an error belongs to this step alone.
  absl::Status Prepare(const PlannedStep& step, ChunkStep& chunk_step);
  void FinishStep(const PlannedStep& step, const ChunkStep& chunk_step, StepOutcome& outcome);
  absl::StatusOr<QueuedFrames> QueueDecode(FinishedLatents& finished);

  const std::unique_ptr<GpuParts> parts_;
  const ModelInfo info_;
  const c10::cuda::CUDAStream engine_stream_, decode_stream_;
  DeviceEvent last_run_;
  std::vector<int> free_slots_;
  std::map<SessionId, Session> sessions_;
  SideThread decode_thread_;  // queues all decodes, one after the other; their callers wait for the device themselves
};

absl::StatusOr<PromptCheck> GpuVideoModel::CheckPrompt(std::string_view prompt) const {
  absl::StatusOr<TokenizedPrompt> tokens = parts_->model.tokenizer.Tokenize(prompt);
  if (!tokens.ok()) return tokens.status();
  return PromptCheck{static_cast<int>(tokens->ids.size()), std::move(tokens->unknown_words)};
}

std::shared_ptr<DecoderState> GpuVideoModel::NewDecoderState() {
  // Its tensors are only ever touched on the decode stream.
  const c10::cuda::CUDAStreamGuard on_stream(decode_stream_);
  return std::make_shared<DecoderState>(parts_->model.decoder->NewState());
}

absl::Status GpuVideoModel::BeginSession(SessionId session, uint64_t seed) {
  if (free_slots_.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", parts_->pool.slots(), " slots for sessions on the GPU are taken"));
  }
  try {
    Session state;
    state.slot = free_slots_.back();
    state.seed = seed;
    state.decoder_state = NewDecoderState();
    parts_->pool.state(state.slot) = {};
    sessions_.emplace(session, std::move(state));
  } catch (const std::exception& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no GPU memory for a session of ", info_.session_bytes, " bytes: ", error.what()));
  }
  free_slots_.pop_back();
  return absl::OkStatus();
}

void GpuVideoModel::EndSession(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  // The next owner's work is queued behind this session's on the same stream.
  free_slots_.push_back(found->second.slot);
  sessions_.erase(found);
}

absl::StatusOr<const RetentionTable*> GpuVideoModel::TableOf(RetentionTenths budget) const {
  if (budget == kDenseTenths) return nullptr;
  for (const RetentionTable& table : config().retention.tables) {
    if (table.nominal == budget) return &table;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("retention budget ", budget, " tenths: model ", info_.name, " has no table for it"));
}

absl::Status GpuVideoModel::Prepare(const PlannedStep& step, ChunkStep& chunk_step) {
  const absl::StatusOr<const RetentionTable*> table = TableOf(step.budget);
  if (!table.ok()) return table.status();
  const auto found = sessions_.find(step.session);
  if (found == sessions_.end()) {
    return absl::NotFoundError(absl::StrCat("session ", step.session, " has no state in the model"));
  }
  Session& session = found->second;
  if (step.kind == StepKind::kText) return EncodePrompt(step, session);
  if (step.scene_start && step.kind == StepKind::kDenoise && step.step == 0) {
    parts_->pool.Reset(session.slot);
    session.decoder_state = NewDecoderState();
  }
  chunk_step.slot = session.slot;
  chunk_step.seed = session.seed;
  chunk_step.chunk = step.chunk;
  chunk_step.step = step.step;
  chunk_step.context_pass = step.kind == StepKind::kContext;
  chunk_step.table = *table;
  return absl::OkStatus();
}

absl::Status GpuVideoModel::EncodePrompt(const PlannedStep& step, Session& session) {
  absl::StatusOr<TokenizedPrompt> tokens = parts_->model.tokenizer.Tokenize(*step.prompt);
  if (!tokens.ok()) return tokens.status();
  const absl::StatusOr<at::Tensor> rows = parts_->text.Encode(tokens->ids);
  if (!rows.ok()) return rows.status();
  parts_->transformer.EncodeText(*rows, session.slot, parts_->pool);
  return absl::OkStatus();
}

std::vector<StepOutcome> GpuVideoModel::Run(const StepPlan& plan) {
  const absl::Time began = absl::Now();
  std::vector<StepOutcome> outcomes(plan.steps.size());
  const at::NoGradGuard no_gradients;
  const c10::cuda::CUDAStreamGuard on_stream(engine_stream_);
  std::vector<ChunkStep> steps;
  std::vector<size_t> owners;
  try {
    for (size_t i = 0; i < plan.steps.size(); ++i) {
      ChunkStep step;
      outcomes[i].status = Prepare(plan.steps[i], step);
      if (!outcomes[i].status.ok() || plan.steps[i].kind == StepKind::kText) continue;
      steps.push_back(step);
      owners.push_back(i);
    }
    if (!steps.empty()) parts_->engine.Run(steps);
    for (size_t i = 0; i < steps.size(); ++i) FinishStep(plan.steps[owners[i]], steps[i], outcomes[owners[i]]);
    const absl::Status before = last_run_.Wait();
    last_run_.Record(engine_stream_.stream());
    if (!before.ok()) throw std::runtime_error(std::string(before.message()));
  } catch (const std::exception& error) {
    // Which of the plan's steps it hit cannot be told: products are shared.
    for (StepOutcome& outcome : outcomes) {
      if (outcome.status.ok()) outcome.status = absl::InternalError(absl::StrCat("a pass failed: ", error.what()));
    }
  }
  for (StepOutcome& outcome : outcomes) outcome.elapsed = absl::Now() - began;
  return outcomes;
}

void GpuVideoModel::FinishStep(const PlannedStep& step, const ChunkStep& chunk_step, StepOutcome& outcome) {
  if (chunk_step.context_pass) return;
  outcome.rows_dense = parts_->transformer.RowsDense();
  outcome.rows_processed = chunk_step.table == nullptr
                               ? outcome.rows_dense
                               : parts_->transformer.RowsProcessed(chunk_step.table->tenths, step.step);
  outcome.tokens_evicted = chunk_step.evicted_frames * config().transformer.tokens_per_frame();
  if (step.step + 1 < parts_->engine.steps()) return;
  auto latents = std::make_unique<FinishedLatents>();
  latents->values = parts_->pool.latents(chunk_step.slot).clone();
  latents->values.record_stream(decode_stream_);
  latents->ready.Record(engine_stream_.stream());
  latents->decoder_state = sessions_.at(step.session).decoder_state;
  outcome.latents = std::move(latents);
}

absl::StatusOr<FrameChunk> GpuVideoModel::Decode(std::unique_ptr<LatentChunk> latents) {
  auto* finished = static_cast<FinishedLatents*>(latents.get());  // only FinishStep() makes them
  absl::StatusOr<QueuedFrames> frames = absl::InternalError("decoding never began");
  DeviceEvent copied;
  decode_thread_.Run([&] {
    frames = QueueDecode(*finished);
    if (frames.ok()) copied.Record(decode_stream_.stream());
  });
  if (!frames.ok()) return frames.status();
  const absl::Status done = copied.Wait();
  if (!done.ok()) return done;
  return TakeFrames(*frames);
}

absl::StatusOr<QueuedFrames> GpuVideoModel::QueueDecode(FinishedLatents& finished) {
  try {
    const at::NoGradGuard no_gradients;
    const c10::cuda::CUDAStreamGuard on_stream(decode_stream_);
    finished.ready.MakeStreamWait(decode_stream_.stream());
    const absl::StatusOr<at::Tensor> pixels = parts_->model.decoder->Decode(finished.values, *finished.decoder_state);
    if (!pixels.ok()) return pixels.status();
    return QueueDownload(*pixels, FrameFormat());
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("decoding failed: ", error.what()));
  }
}

absl::Status GpuVideoModel::WarmUp() {
  absl::Status status = BeginSession(kWarmupSession, 0);
  if (!status.ok()) return status;
  const auto run = [this](const PlannedStep& step) { return std::move(Run({{step}})[0]); };
  PlannedStep step;
  step.session = kWarmupSession;
  step.kind = StepKind::kText;
  step.prompt = std::make_shared<const std::string>(info_.example_prompts.empty() ? "a" : info_.example_prompts[0]);
  status = run(step).status;
  // Two chunks from a scene's start: the first has no past and fewer frames than the others.
  for (const RetentionBudget& budget : info_.budgets) {
    step.budget = budget.tenths;
    for (step.chunk = 0; step.chunk < 2 && status.ok(); ++step.chunk) {
      step.scene_start = step.chunk == 0;
      step.kind = StepKind::kDenoise;
      StepOutcome outcome;
      for (step.step = 0; step.step < info_.denoise_steps && status.ok(); ++step.step) {
        outcome = run(step);
        status = outcome.status;
      }
      if (status.ok()) status = Decode(std::move(outcome.latents)).status();
      step.kind = StepKind::kContext;
      if (status.ok()) status = run(step).status;
    }
  }
  if (status.ok()) status = last_run_.Wait();
  EndSession(kWarmupSession);
  return status;
}

absl::StatusOr<Precision> PrecisionOf(const std::string& name) {
  if (name == "fp32") return Precision::kFloat32;
  if (name == "bf16") return Precision::kBfloat16;
  if (name == "fp8") return Precision::kFloat8;
  return absl::InvalidArgumentError(absl::StrCat("precision '", name, "': must be fp32, bf16 or fp8"));
}

// Cached keys are as narrow as attention can read them.
kernels::Element KeyElement(const TransformerConfig& config, Precision precision) {
  const bool float8 =
      precision == Precision::kFloat8 && config.rope_positions == RopePositions::kAbsolute &&
      kernels::AttentionTiles(kernels::Element::kFloat8, static_cast<int>(config.head_dim())).query_tile > 0;
  return float8 ? kernels::Element::kFloat8 : ActivationElement(precision);
}

// Sessions worth one call: about 20,000 rows keep the products at their best rate.
int SessionsPerPlan(const TransformerConfig& config) {
  return static_cast<int>(std::clamp<int64_t>(20000 / config.tokens_per_chunk(), 1, kernels::kMostSegments));
}

struct GpuMemory {
  int64_t free_bytes = 0, total_bytes = 0;
};

// What is really free: blocks that LibTorch keeps for later are given back first.
absl::StatusOr<GpuMemory> AskGpuMemory() {
  c10::cuda::CUDACachingAllocator::emptyCache();
  size_t free_bytes = 0, total_bytes = 0;
  if (cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) {
    return absl::InternalError(absl::StrCat("asking for free GPU memory: ", cudaGetErrorString(cudaGetLastError())));
  }
  return GpuMemory{static_cast<int64_t>(free_bytes), static_cast<int64_t>(total_bytes)};
}

absl::StatusOr<int> SlotsThatFit(int wanted, int64_t slot_bytes, int64_t scratch_bytes, const GpuMemory& memory) {
  const int64_t free_bytes = memory.free_bytes;
  // Decoding, cuBLAS and cuDNN take work space of their own.
  const int64_t reserve = memory.total_bytes / 16;
  const int64_t room = free_bytes - scratch_bytes - reserve;
  const int64_t fit = std::max<int64_t>(room, 0) / slot_bytes;
  if (fit < std::max(wanted, 1)) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "GPU memory: ", free_bytes, " bytes are free beside the weights; ", std::max(wanted, 1), " sessions need ",
        std::max(wanted, 1) * slot_bytes + scratch_bytes + reserve, ": serve fewer sessions or a smaller window"));
  }
  return static_cast<int>(wanted > 0 ? wanted : std::min<int64_t>(fit, kMostSessions));
}

absl::StatusOr<std::unique_ptr<VideoModel>> Create(const GpuVideoModelOptions& options) {
  const absl::StatusOr<Precision> precision = PrecisionOf(options.precision);
  if (!precision.ok()) return precision.status();
  if (options.sessions < 0 || options.sessions > kMostSessions) {
    return absl::InvalidArgumentError(
        absl::StrCat("sessions ", options.sessions, ": must be between 0 and ", kMostSessions));
  }
  int device = 0, processors = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device) != cudaSuccess) {
    return absl::FailedPreconditionError(absl::StrCat("device 'cuda': ", cudaGetErrorString(cudaGetLastError()),
                                                      "; is an NVIDIA driver installed and a GPU visible?"));
  }
  if (*precision == Precision::kFloat32) at::globalContext().setAllowTF32CuDNN(false);

  const absl::StatusOr<GpuMemory> at_start = AskGpuMemory();
  if (!at_start.ok()) return at_start.status();
  ModelPlacement placement;
  placement.device = at::kCUDA;
  placement.transformer_type = at::kFloat;
  placement.text_type = placement.decoder_type = ActivationType(*precision);
  absl::StatusOr<ModelFolder> folder = LoadModelFolder(options.model_folder, placement);
  if (!folder.ok()) return folder.status();
  const absl::StatusOr<StepSchedule> schedule = MakeStepSchedule(folder->config.sampling);
  if (!schedule.ok()) return schedule.status();
  const TransformerConfig& config = folder->config.transformer;
  absl::StatusOr<GpuTransformerWeights> weights =
      MakeGpuWeights(config, folder->transformer, schedule->timesteps_and_context(), *precision);
  if (!weights.ok()) return weights.status();
  folder->transformer = {};  // packed above
  const kernels::Element key_element = KeyElement(config, *precision);
  ModelInfo info = DescribeModel(*folder, "cuda");
  info.kv_cache_bytes = SessionPool::KeyBytes(config, key_element);
  info.session_bytes = SessionPool::SlotBytes(config, *precision, key_element) + folder->decoder->state_bytes();
  info.max_sessions_per_plan = SessionsPerPlan(config);
  const int64_t scratch_bytes = GpuTransformer::ScratchBytes(config, info.max_sessions_per_plan);
  const absl::StatusOr<GpuMemory> loaded = AskGpuMemory();
  if (!loaded.ok()) return loaded.status();
  const absl::StatusOr<int> slots = SlotsThatFit(options.sessions, info.session_bytes, scratch_bytes, *loaded);
  if (!slots.ok()) return slots.status();
  info.session_capacity = *slots;
  info.device_memory = {{"weights", at_start->free_bytes - loaded->free_bytes},
                        {"sessions", *slots * info.session_bytes},
                        {"scratch", scratch_bytes}};
  auto model = std::make_unique<GpuVideoModel>(
      std::make_unique<GpuParts>(*std::move(folder), *std::move(weights), *schedule, *precision, key_element, *slots,
                                 info.max_sessions_per_plan, processors),
      info);
  const absl::Status warm = model->WarmUp();
  if (!warm.ok()) return warm;
  return model;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VideoModel>> CreateGpuVideoModel(const GpuVideoModelOptions& options) {
  try {
    const at::NoGradGuard no_gradients;
    return Create(options);
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("loading ", options.model_folder, " onto the GPU: ", error.what()));
  }
}

}  // namespace videodiffcr::gpu
