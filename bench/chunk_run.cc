#include "bench/chunk_run.h"

#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace videodiffcr {
namespace {

constexpr char kPrompt[] = "a large red circle moves right fast on a navy checkered background";
constexpr int kFirstChunks = 5;  // sessions whose first chunk is timed

StepPlan PlanForAll(int sessions, StepKind kind, int64_t chunk, int step, RetentionTenths budget) {
  StepPlan plan;
  for (int session = 1; session <= sessions; ++session) {
    PlannedStep planned;
    planned.session = session;
    planned.kind = kind;
    planned.chunk = chunk;
    planned.step = step;
    planned.budget = budget;
    planned.prompt = std::make_shared<const std::string>(kPrompt);
    plan.steps.push_back(std::move(planned));
  }
  return plan;
}

struct Decoded {
  absl::Status status;
  std::vector<absl::Duration> elapsed;  // by session
  absl::Time finished;
};

// The chunks of one plan. `launch`: async side by side, as a server's delivery threads do; deferred one after the
// other.
Decoded DecodeAll(VideoModel& model, std::vector<StepOutcome> outcomes, std::launch launch) {
  struct One {
    absl::Status status;
    absl::Duration elapsed;
  };
  const auto decode = [&model](std::unique_ptr<LatentChunk> latents) {
    const absl::Time began = absl::Now();
    absl::Status status = model.Decode(std::move(latents)).status();
    return One{std::move(status), absl::Now() - began};
  };
  std::vector<std::future<One>> chunks;
  for (StepOutcome& outcome : outcomes) chunks.push_back(std::async(launch, decode, std::move(outcome.latents)));
  Decoded decoded;
  for (std::future<One>& chunk : chunks) {
    const One one = chunk.get();
    decoded.status.Update(one.status);
    decoded.elapsed.push_back(one.elapsed);
  }
  decoded.finished = absl::Now();
  return decoded;
}

}  // namespace

// One run: some sessions at one budget, from their first chunk on.
class ChunkRun {
 public:
  // `samples` is filled from chunk `warm_up` on.
  ChunkRun(VideoModel& model, int sessions, RetentionTenths budget, int64_t warm_up, ChunkSamples* samples)
      : model_(model), sessions_(sessions), budget_(budget), warm_up_(warm_up), samples_(samples) {
    samples_->passes.resize(model.info().denoise_steps);
  }
  ~ChunkRun() {
    if (decoding_.valid()) decoding_.wait();
    for (int session = 1; session <= sessions_; ++session) model_.EndSession(session);
  }

  absl::Status Begin() {
    for (int session = 1; session <= sessions_; ++session) {
      const absl::Status begun = model_.BeginSession(session, session);
      if (!begun.ok()) return begun;
    }
    return RunStep(StepKind::kText, 0, 0, nullptr).status();
  }

  // A chunk of all sessions; its frames may still be on their way.
  absl::Status Chunk(int64_t chunk) {
    const bool measured = chunk >= warm_up_;
    absl::StatusOr<std::vector<StepOutcome>> outcomes;
    for (int step = 0; step < model_.info().denoise_steps; ++step) {
      outcomes = RunStep(StepKind::kDenoise, chunk, step, measured ? &samples_->passes[step] : nullptr);
      if (!outcomes.ok()) return outcomes.status();
      for (const StepOutcome& outcome : *outcomes) {
        if (measured) samples_->routing.Add(outcome.routing);
      }
    }
    if (const absl::Status before = TakeDecoded(); !before.ok()) return before;
    if (on_gpu()) {
      decoding_chunk_ = chunk;
      decoding_ = std::async(std::launch::async, DecodeAll, std::ref(model_), *std::move(outcomes), std::launch::async);
    } else if (const absl::Status own = Record(chunk, DecodeAll(model_, *std::move(outcomes), std::launch::deferred));
               !own.ok()) {
      return own;
    }
    return RunStep(StepKind::kContext, chunk, 0, measured ? &samples_->context : nullptr).status();
  }

  // Waits for the frames of the chunk before, if they are being decoded. At most one chunk is.
  absl::Status TakeDecoded() {
    if (!decoding_.valid()) return absl::OkStatus();
    return Record(decoding_chunk_, decoding_.get());
  }

 private:
  bool on_gpu() const { return model_.info().device == "cuda"; }

  absl::Status Record(int64_t chunk, const Decoded& decoded) {
    if (chunk >= warm_up_) {
      for (const absl::Duration elapsed : decoded.elapsed) samples_->decode.Add(elapsed);
      samples_->period.Add(decoded.finished - last_finished_);
    }
    last_finished_ = decoded.finished;
    return decoded.status;
  }

  absl::StatusOr<std::vector<StepOutcome>> RunStep(StepKind kind, int64_t chunk, int step, Samples* elapsed) {
    const StepPlan plan = PlanForAll(sessions_, kind, chunk, step, budget_);
    const absl::Time began = absl::Now();
    std::vector<StepOutcome> outcomes = model_.Run(plan);
    const absl::Duration took = absl::Now() - began;
    // On a GPU a call returns when the step of the call before it is done (model/gpu/gpu_video_model.h).
    Samples* const owner = on_gpu() ? std::exchange(step_before_, elapsed) : elapsed;
    if (owner != nullptr) owner->Add(took);
    for (const StepOutcome& outcome : outcomes) {
      if (!outcome.status.ok()) return outcome.status;
    }
    return outcomes;
  }

  VideoModel& model_;
  const int sessions_;
  const RetentionTenths budget_;
  const int64_t warm_up_;
  ChunkSamples* const samples_;
  Samples* step_before_ = nullptr;
  std::future<Decoded> decoding_;  // of chunk decoding_chunk_; not valid when none is being decoded
  int64_t decoding_chunk_ = 0;
  absl::Time last_finished_;
};

namespace {

// Prompt to frames of one session alone, several times.
absl::Status MeasureFirstChunks(VideoModel& model, RetentionTenths budget, Samples* first_chunk) {
  for (int i = 0; i < kFirstChunks; ++i) {
    ChunkSamples ignored;
    ChunkRun run(model, 1, budget, /*warm_up=*/1, &ignored);
    const absl::Time began = absl::Now();
    absl::Status status = run.Begin();
    if (status.ok()) status = run.Chunk(0);
    if (status.ok()) status = run.TakeDecoded();
    if (!status.ok()) return status;
    first_chunk->Add(absl::Now() - began);
  }
  return absl::OkStatus();
}

// With one more, whose passes see a full window.
int64_t ChunksToFillWindow(const ModelInfo& info) { return info.window_tokens / info.tokens_per_chunk + 1; }

}  // namespace

absl::StatusOr<ChunkSamples> MeasureChunks(VideoModel& model, int sessions, RetentionTenths budget, int chunks) {
  ChunkSamples samples;
  absl::Status status = MeasureFirstChunks(model, budget, &samples.first_chunk);
  const int64_t warm_up = ChunksToFillWindow(model.info());
  ChunkRun run(model, sessions, budget, warm_up, &samples);
  if (status.ok()) status = run.Begin();
  for (int64_t chunk = 0; status.ok() && chunk < warm_up + chunks; ++chunk) status = run.Chunk(chunk);
  if (status.ok()) status = run.TakeDecoded();
  if (!status.ok()) return status;
  return samples;
}

absl::StatusOr<RetentionBudget> FindBudget(const ModelInfo& info, int tenths) {
  for (const RetentionBudget& budget : info.budgets) {
    if (budget.tenths == tenths) return budget;
  }
  return absl::InvalidArgumentError(absl::StrCat("budgets: ", tenths, "; ", info.name, " has no such budget"));
}

FullWindowSession::FullWindowSession() = default;
FullWindowSession::~FullWindowSession() = default;

absl::StatusOr<std::unique_ptr<FullWindowSession>> FullWindowSession::Begin(VideoModel& model, RetentionTenths budget) {
  auto session = absl::WrapUnique(new FullWindowSession);
  session->run_ = std::make_unique<ChunkRun>(model, 1, budget, std::numeric_limits<int64_t>::max(), &session->ignored_);
  absl::Status status = session->run_->Begin();
  if (status.ok()) status = session->Generate(static_cast<int>(ChunksToFillWindow(model.info())));
  if (!status.ok()) return status;
  return session;
}

absl::Status FullWindowSession::Generate(int chunks) {
  for (const int64_t end = chunk_ + chunks; chunk_ < end; ++chunk_) {
    if (absl::Status status = run_->Chunk(chunk_); !status.ok()) return status;
  }
  return run_->TakeDecoded();
}

}  // namespace videodiffcr
