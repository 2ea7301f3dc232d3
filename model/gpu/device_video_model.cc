#include "model/gpu/device_video_model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

#include "absl/strings/str_cat.h"
#include "model/drive/clip_run.h"
#include "model/gpu/failure.h"
#include "model/gpu/plan_work.h"
#include "model/plain/text/prompt_check.h"
#include "system/steady_time.h"

namespace videodiffcr::gpu {
namespace {

constexpr SessionId kWarmupSession = -1;  // the scheduler numbers from 1

// A device that is full is not one that is lost: only after another failure is it looked at.
absl::Status CheckedFailure(absl::string_view work, const std::exception& error, DeviceHealth& health) {
  absl::Status failure = FailureOf(work, error);
  if (!absl::IsResourceExhausted(failure)) health.Check();
  return failure;
}

}  // namespace

struct DeviceVideoModel::FinishedLatents final : LatentChunk {
  FinishedLatents(DeviceHealth* health, c10::cuda::CUDAStream copies) : health(health), copies(copies) {}
  ~FinishedLatents() override {
    // Two streams use them, so giving them back asks the device for an event: a lost one would end the process in here.
    if (health->lost()) values.unsafeReleaseTensorImpl();
  }

  absl::StatusOr<HalfLatents> CopyToHost() override;

  DeviceHealth* const health;
  const c10::cuda::CUDAStream copies;
  at::Tensor values;  // [chunk frames, C, h, w] fp32 on the device
  DeviceEvent ready;
  // Shared with the session: a chunk still being decoded outlives the session's end or its next scene.
  std::shared_ptr<DecoderState> decoder_state;
};

absl::StatusOr<HalfLatents> DeviceVideoModel::FinishedLatents::CopyToHost() {
  if (absl::Status status = ready.Wait(); !status.ok()) {
    health->Check();
    return status;
  }
  try {
    const at::NoGradGuard no_gradients;
    // A viewer waits for it: not behind the context pass, nor behind decodes that wait for passes of their own.
    const c10::cuda::CUDAStreamGuard on_stream(copies);
    const at::Tensor half = values.to(at::kHalf).cpu().contiguous();
    const auto* const first = reinterpret_cast<const uint16_t*>(half.const_data_ptr<at::Half>());
    return HalfLatents(first, first + half.numel());
  } catch (const std::exception& error) {
    return CheckedFailure("a copy of latents", error, *health);
  }
}

DeviceVideoModel::DeviceVideoModel(std::unique_ptr<GpuParts> parts, ModelInfo info, bool rgb_frames)
    : parts_(std::move(parts)),
      info_(std::move(info)),
      rgb_frames_(rgb_frames),
      engine_stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false)),
      // A finished chunk's few milliseconds of decoding go before the context pass and the next chunk, or a viewer
      // would wait for those too.
      decode_stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true)),
      state_stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false)),
      latents_stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true)) {
  for (int slot = parts_->pool.slots() - 1; slot >= 0; --slot) free_slots_.push_back(slot);
}

DeviceVideoModel::~DeviceVideoModel() { cudaDeviceSynchronize(); }

absl::StatusOr<PromptCheck> DeviceVideoModel::CheckPrompt(std::string_view prompt) const {
  return videodiffcr::CheckPrompt(parts_->model.tokenizer, prompt);
}

std::shared_ptr<DecoderState> DeviceVideoModel::NewDecoderState() {
  // Its memory may have been another state's, which decodes that are queued still use; and decodes use this one.
  const c10::cuda::CUDAStreamGuard on_stream(state_stream_);
  DeviceEvent decodes_so_far, made;
  decodes_so_far.Record(decode_stream_.stream());
  decodes_so_far.MakeStreamWait(state_stream_.stream());
  auto state = std::make_shared<DecoderState>(parts_->model.decoder->NewState());
  made.Record(state_stream_.stream());
  made.MakeStreamWait(decode_stream_.stream());
  return state;
}

absl::Status DeviceVideoModel::BeginSession(SessionId session, uint64_t seed) {
  absl::Status status;
  pass_thread_.Run([&] { status = QueueSession(session, seed); });
  return status;
}

absl::Status DeviceVideoModel::QueueSession(SessionId session, uint64_t seed) {
  if (free_slots_.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", parts_->pool.slots(), " slots for sessions on the GPU are taken"));
  }
  try {
    Session state;
    state.slot = free_slots_.back();
    state.seed = seed;
    state.decoder_state = NewDecoderState();
    const c10::cuda::CUDAStreamGuard on_stream(engine_stream_);
    parts_->pool.Clear(state.slot);
    sessions_.emplace(session, std::move(state));
  } catch (const std::exception& error) {
    return CheckedFailure(absl::StrCat("a session of ", info_.session_bytes, " bytes"), error, health_);
  }
  free_slots_.pop_back();
  return absl::OkStatus();
}

void DeviceVideoModel::EndSession(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return;
  // The next owner's work is queued behind this session's on the same stream.
  free_slots_.push_back(found->second.slot);
  sessions_.erase(found);
}

absl::Status DeviceVideoModel::Prepare(const PlannedStep& step, ChunkStep& chunk_step) {
  const absl::StatusOr<const RetentionTable*> table = FindTable(config().retention, step.budget);
  if (!table.ok()) return table.status();
  const auto found = sessions_.find(step.session);
  if (found == sessions_.end()) {
    return absl::NotFoundError(absl::StrCat("session ", step.session, " has no state in the model"));
  }
  Session& session = found->second;
  if (step.kind == StepKind::kText) return EncodePrompt(step, session);
  if (step.scene_start && step.step == 0 && step.kind != StepKind::kContext) {
    parts_->pool.Reset(session.slot);
    session.decoder_state = NewDecoderState();
  }
  chunk_step.slot = session.slot;
  chunk_step.seed = session.seed;
  chunk_step.chunk = step.chunk;
  chunk_step.step = step.step;
  chunk_step.rebuild = step.kind == StepKind::kRebuild;
  chunk_step.context_pass = step.kind == StepKind::kContext || chunk_step.rebuild;
  chunk_step.table = *table;
  return chunk_step.rebuild ? FillLatents(*step.latents, session.slot) : absl::OkStatus();
}

absl::Status DeviceVideoModel::FillLatents(const HalfLatents& given, int slot) {
  at::Tensor latents = parts_->pool.latents(slot);
  if (static_cast<int64_t>(given.size()) != latents.numel()) {
    return absl::InvalidArgumentError(absl::StrCat(given.size(), " latents instead of ", latents.numel()));
  }
  latents.copy_(at::from_blob(const_cast<uint16_t*>(given.data()), latents.sizes(), at::kHalf));
  return absl::OkStatus();
}

absl::Status DeviceVideoModel::EncodePrompt(const PlannedStep& step, Session& session) {
  absl::StatusOr<TokenizedPrompt> tokens = parts_->model.tokenizer.Tokenize(*step.prompt);
  if (!tokens.ok()) return tokens.status();
  const absl::StatusOr<at::Tensor> rows = parts_->text.Encode(tokens->ids);
  if (!rows.ok()) return rows.status();
  parts_->transformer.EncodeText(*rows, session.slot, parts_->pool);
  return absl::OkStatus();
}

std::vector<StepOutcome> DeviceVideoModel::Run(const StepPlan& plan) {
  std::vector<StepOutcome> outcomes;
  pass_thread_.Run([&] { outcomes = QueuePlan(plan); });
  return outcomes;
}

std::vector<StepOutcome> DeviceVideoModel::QueuePlan(const StepPlan& plan) {
  const absl::Time began = SteadyNow();
  std::vector<StepOutcome> outcomes(plan.steps.size());
  std::vector<ChunkStep> together;  // in the pass
  PlanWork work;
  work.prepare = [&](size_t i) -> absl::StatusOr<bool> {
    ChunkStep step;
    if (absl::Status status = Prepare(plan.steps[i], step); !status.ok()) return status;
    if (plan.steps[i].kind == StepKind::kText) return false;
    together.push_back(step);
    return true;
  };
  work.pass = [&] { parts_->engine.Run(together); };
  work.finish = [&](size_t i, size_t place) { FinishStep(plan.steps[i], together[place], outcomes[i]); };
  work.settle = [&] {
    const absl::Status before = last_run_.Wait();
    last_run_.Record(engine_stream_.stream());
    if (!before.ok()) throw std::runtime_error(std::string(before.message()));
  };
  work.status_of = [&](const std::exception& error) { return CheckedFailure("a pass", error, health_); };
  std::vector<absl::Status> statuses;
  try {
    const at::NoGradGuard no_gradients;
    const c10::cuda::CUDAStreamGuard on_stream(engine_stream_);
    statuses = DoPlanWork(plan.steps.size(), work);
  } catch (const std::exception& error) {
    statuses.assign(plan.steps.size(), work.status_of(error));
  }
  for (size_t i = 0; i < outcomes.size(); ++i) {
    outcomes[i].status = std::move(statuses[i]);
    outcomes[i].elapsed = SteadyNow() - began;
  }
  return outcomes;
}

void DeviceVideoModel::FinishStep(const PlannedStep& step, const ChunkStep& chunk_step, StepOutcome& outcome) {
  if (chunk_step.rebuild) outcome.latents = HandOut(step.session, chunk_step.slot);
  if (chunk_step.context_pass) return;
  outcome.rows_dense = parts_->transformer.RowsDense();
  outcome.rows_processed = chunk_step.table == nullptr
                               ? outcome.rows_dense
                               : RowsProcessed(*chunk_step.table, step.step, config().transformer.tokens_per_chunk());
  outcome.tokens_evicted = chunk_step.evicted_keys;
  outcome.past_keys = parts_->pool.all_past_rows(chunk_step.slot);
  outcome.past_keys_whole = parts_->pool.all_past_rows_whole(chunk_step.slot);
  if (step.step + 1 == parts_->engine.steps()) outcome.latents = HandOut(step.session, chunk_step.slot);
}

std::unique_ptr<LatentChunk> DeviceVideoModel::HandOut(SessionId session, int slot) {
  auto latents = std::make_unique<FinishedLatents>(&health_, latents_stream_);
  latents->values = parts_->pool.latents(slot).clone();
  latents->values.record_stream(decode_stream_);
  latents->ready.Record(engine_stream_.stream());
  latents->decoder_state = sessions_.at(session).decoder_state;
  return latents;
}

absl::StatusOr<FrameChunk> DeviceVideoModel::Decode(LatentChunk& latents) {
  auto& finished = static_cast<FinishedLatents&>(latents);  // only FinishStep() makes them
  absl::StatusOr<QueuedFrames> frames = absl::InternalError("decoding never began");
  DeviceEvent copied;
  decode_thread_.Run([&] {
    frames = QueueDecode(finished);
    if (frames.ok()) copied.Record(decode_stream_.stream());
  });
  if (!frames.ok()) {
    if (!absl::IsResourceExhausted(frames.status())) health_.Check();
    return frames.status();
  }
  // The last pass may still run: what is left of it is no decoding. The decode is queued behind it already.
  const absl::Time queued = SteadyNow();
  absl::Status done = finished.ready.Wait();
  const absl::Duration waited_for_latents = SteadyNow() - queued;
  done.Update(copied.Wait());
  if (!done.ok()) {
    health_.Check();
    if (health_.lost()) frames->bytes.unsafeReleaseTensorImpl();  // as ~FinishedLatents()
    return done;
  }
  try {
    FrameChunk chunk = TakeFrames(*frames);
    chunk.waited_for_latents = waited_for_latents;
    return chunk;
  } catch (const std::exception& error) {
    return FailureOf("frames", error);
  }
}

absl::StatusOr<at::Tensor> DeviceVideoModel::DecodeLatents(FinishedLatents& finished) {
  DecoderState& state = *finished.decoder_state;
  if (decode_graph_ != nullptr) return decode_graph_->Decode(finished.values, state);
  return parts_->model.decoder->Decode(finished.values, state);
}

absl::StatusOr<QueuedFrames> DeviceVideoModel::QueueDecode(FinishedLatents& finished) {
  // For want of memory not once more, as on the CPU: the device's decoders write what they carry as they go.
  try {
    const at::NoGradGuard no_gradients;
    const c10::cuda::CUDAStreamGuard on_stream(decode_stream_);
    finished.ready.MakeStreamWait(decode_stream_.stream());
    // The next decode may write where these pixels lie: it is queued behind their conversion.
    const absl::StatusOr<at::Tensor> pixels = DecodeLatents(finished);
    if (!pixels.ok()) return pixels.status();
    return QueueDownload(*pixels, FrameFormat());
  } catch (const std::exception& error) {
    return FailureOf("decoding", error);
  }
}

absl::Status DeviceVideoModel::FillCaches() {
  try {
    const c10::cuda::CUDAStreamGuard on_stream(engine_stream_);
    std::vector<std::shared_ptr<DecoderState>> states;
    std::vector<at::Tensor> buffers;
    const int64_t frame_bytes =
        int64_t{info_.width} * info_.height * (FrameFormat() == PixelFormat::kRgb24 ? 6 : 3) / 2;
    states.push_back(NewDecoderState());  // a scene's state is made before that of the last scene is let go
    for (int slot = 0; slot < parts_->pool.slots(); ++slot) {
      states.push_back(NewDecoderState());
      buffers.push_back(parts_->pool.latents(slot).clone());
      for (const int frames : {info_.first_chunk_frames, info_.chunk_frames}) {
        buffers.push_back(at::empty({frames * frame_bytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(true)));
      }
    }
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return CheckedFailure(absl::StrCat("what ", parts_->pool.slots(), " sessions take beside their slots"), error,
                          health_);
  }
}

absl::Status DeviceVideoModel::WarmUpText(int slot) {
  const int64_t text_len = config().transformer.text_len;
  try {
    const at::NoGradGuard no_gradients;
    const c10::cuda::CUDAStreamGuard on_stream(engine_stream_);
    for (int64_t tokens = 1; tokens <= text_len; tokens += tokens < 64 ? 1 : 64) {
      const absl::StatusOr<at::Tensor> rows = parts_->text.Encode(std::vector<int32_t>(static_cast<size_t>(tokens), 0));
      if (!rows.ok()) return rows.status();
      parts_->transformer.EncodeText(*rows, slot, parts_->pool);
    }
    return absl::OkStatus();
  } catch (const std::exception& error) {
    return CheckedFailure("prompts of all lengths", error, health_);
  }
}

absl::Status DeviceVideoModel::WarmUp() {
  if (absl::Status status = FillCaches(); !status.ok()) return status;
  const absl::StatusOr<std::unique_ptr<ClipRun>> run = ClipRun::Begin(*this, kWarmupSession, /*seed=*/0);
  if (!run.ok()) return run.status();
  absl::Status status;
  pass_thread_.Run([&] { status = WarmUpText(sessions_.at(kWarmupSession).slot); });
  const auto decode = [this](std::vector<std::unique_ptr<LatentChunk>> latents) {
    const absl::Status decoded = Decode(*latents[0]).status();
    return decoded.ok() ? latents[0]->CopyToHost().status() : decoded;
  };
  auto prompt = std::make_shared<const std::string>(info_.example_prompts.empty() ? "a" : info_.example_prompts[0]);
  // Two chunks from a scene's start: the first has no past and fewer frames than the others.
  for (const RetentionBudget& budget : info_.budgets) {
    for (int64_t chunk = 0; chunk < 2 && status.ok(); ++chunk) {
      (*run)->StartChunk({chunk, budget.tenths, std::exchange(prompt, nullptr), /*scene_start=*/chunk == 0});
      status = RunChunks(*this, {run->get()}, decode);
    }
  }
  if (status.ok()) pass_thread_.Run([&] { status = last_run_.Wait(); });  // launches' errors are kept by thread
  return status;
}

void DeviceVideoModel::RecordDecode() {
  absl::StatusOr<std::unique_ptr<DecodeGraph>> graph = absl::InternalError("recording never began");
  decode_thread_.Run([&] {
    const c10::cuda::CUDAStreamGuard on_stream(decode_stream_);
    graph = DecodeGraph::Record(*parts_->model.decoder, parts_->pool.latents(/*slot=*/0));
  });
  if (graph.ok()) {
    decode_graph_ = *std::move(graph);
    return;
  }
  health_.Check();
  std::cerr << absl::StrCat(
      "chunks are decoded kernel by kernel instead of as one CUDA graph: ", graph.status().message(), "\n");
}

}  // namespace videodiffcr::gpu
