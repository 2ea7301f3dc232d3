#include "bench/chunk_run.h"

#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "command_line/flag_reader.h"
#include "model/drive/clip_run.h"
#include "system/steady_time.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

constexpr char kPrompt[] = "a large red circle moves right fast on a navy checkered background";
constexpr int kFirstChunks = 5;  // sessions whose first chunk is timed

struct Decoded {
  absl::Status status;
  std::vector<absl::Duration> elapsed;  // by session
  absl::Time finished;
};

// The chunks of one plan. `launch`: async side by side, as a server's delivery threads do; deferred one after the
// other.
Decoded DecodeAll(VideoModel& model, std::vector<std::unique_ptr<LatentChunk>> latents, std::launch launch) {
  struct One {
    absl::Status status;
    absl::Duration elapsed;
  };
  const auto decode = [&model](std::unique_ptr<LatentChunk> latents) {
    const absl::Time began = SteadyNow();
    absl::Status status = model.Decode(*latents).status();
    return One{std::move(status), SteadyNow() - began};
  };
  std::vector<std::future<One>> chunks;
  chunks.reserve(latents.size());
  for (std::unique_ptr<LatentChunk>& one : latents) chunks.push_back(std::async(launch, decode, std::move(one)));
  Decoded decoded;
  for (std::future<One>& chunk : chunks) {
    const One one = chunk.get();
    decoded.status.Update(one.status);
    decoded.elapsed.push_back(one.elapsed);
  }
  decoded.finished = SteadyNow();
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
  }

  absl::Status Begin() {
    for (int session = 1; session <= sessions_; ++session) {
      absl::StatusOr<std::unique_ptr<ClipRun>> run = ClipRun::Begin(model_, session, session);
      if (!run.ok()) return run.status();
      runs_.push_back(*std::move(run));
    }
    return absl::OkStatus();
  }

  // A chunk of all sessions; its frames may still be on their way.
  absl::Status Chunk(int64_t chunk) {
    std::vector<ClipRun*> runs;
    for (const std::unique_ptr<ClipRun>& run : runs_) {
      run->StartChunk({chunk, budget_, chunk == 0 ? std::make_shared<const std::string>(kPrompt) : nullptr});
      runs.push_back(run.get());
    }
    return RunChunks(
        model_, runs,
        [&](std::vector<std::unique_ptr<LatentChunk>> latents) { return StartDecoding(chunk, std::move(latents)); },
        [&](const PlannedStep& step, const std::vector<StepOutcome>& outcomes, absl::Duration elapsed) {
          NoteTimes(step, outcomes, elapsed);
        });
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

  absl::Status StartDecoding(int64_t chunk, std::vector<std::unique_ptr<LatentChunk>> latents) {
    if (const absl::Status before = TakeDecoded(); !before.ok()) return before;
    if (!on_gpu()) return Record(chunk, DecodeAll(model_, std::move(latents), std::launch::deferred));
    decoding_chunk_ = chunk;
    decoding_ = std::async(std::launch::async, DecodeAll, std::ref(model_), std::move(latents), std::launch::async);
    return absl::OkStatus();
  }

  void NoteTimes(const PlannedStep& step, const std::vector<StepOutcome>& outcomes, absl::Duration elapsed) {
    Samples* samples = nullptr;
    if (step.chunk >= warm_up_ && step.kind == StepKind::kDenoise) {
      samples = &samples_->passes[step.step];
      for (const StepOutcome& outcome : outcomes) samples_->routing.Add(outcome.routing);
    } else if (step.chunk >= warm_up_ && step.kind == StepKind::kContext) {
      samples = &samples_->context;
    }
    // On a GPU a call returns when the step of the call before it is done (model/gpu/video_model.h).
    Samples* const owner = on_gpu() ? std::exchange(step_before_, samples) : samples;
    if (owner != nullptr) owner->Add(elapsed);
  }

  VideoModel& model_;
  const int sessions_;
  const RetentionTenths budget_;
  const int64_t warm_up_;
  ChunkSamples* const samples_;
  std::vector<std::unique_ptr<ClipRun>> runs_;
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
    const absl::Time began = SteadyNow();
    absl::Status status = run.Begin();
    if (status.ok()) status = run.Chunk(0);
    if (status.ok()) status = run.TakeDecoded();
    if (!status.ok()) return status;
    first_chunk->Add(SteadyNow() - began);
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
  return WrongUsageError(absl::StrCat("budget: ", BudgetText(tenths), "; ", info.name, " has no such budget"));
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
