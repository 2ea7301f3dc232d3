#include <algorithm>
#include <functional>
#include <memory>
#include <semaphore>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/commands.h"
#include "bench/report.h"
#include "model/config/model_config.h"
#include "model/serving/causal_video_model.h"

namespace videodiffcr {
namespace {

constexpr char kPrompt[] = "a large red circle moves right fast on a navy checkered background";
constexpr int kFirstChunks = 5;  // sessions whose first chunk is timed

struct ChunkSamples {
  std::vector<Samples> passes;  // one per denoising step, ms
  Samples context, decode, routing;
  Samples first_chunk;  // of a session alone: prompt to frames
  Samples period;       // from one finished chunk to the next
};

// Multiply-adds of all blocks for the four passes over a chunk with a full window, routed against dense.
double PredictedShare(const ModelConfig& config, const RetentionTable& table) {
  const TransformerConfig& sizes = config.transformer;
  const BlockCostShape shape{sizes.dim, sizes.ffn_dim, sizes.text_len};
  const int64_t tokens = sizes.tokens_per_chunk(), past = sizes.window_tokens() - tokens;
  double routed = 0, dense = 0;
  for (const std::vector<int>& layer : table.tenths) {
    for (size_t step = 0; step < config.sampling.denoise_steps.size(); ++step) {
      const double full = DenseBlockMacs(shape, tokens, past);
      dense += full;
      routed += layer[step] == kDenseTenths
                    ? full
                    : RoutedBlockMacs(shape, tokens, KeptRows(layer[step], tokens), past, config.retention.kv_mode);
    }
  }
  return routed / dense;
}

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

Decoded DecodeAll(VideoModel& model, std::vector<StepOutcome> outcomes) {
  Decoded decoded;
  for (StepOutcome& outcome : outcomes) {
    const absl::Time began = absl::Now();
    decoded.status.Update(model.Decode(std::move(outcome.latents)).status());
    decoded.elapsed.push_back(absl::Now() - began);
  }
  decoded.finished = absl::Now();
  return decoded;
}

// Decodes the chunks of one plan at a time beside the passes of the next, as a server's delivery threads do. One thread
// for all of them, since LibTorch keeps the plans of its convolutions by thread.
class DecodeThread {
 public:
  explicit DecodeThread(VideoModel& model) : model_(model), thread_([this] { Loop(); }) {}
  ~DecodeThread() {
    stop_ = true;
    begin_.release();
    thread_.join();
  }
  DecodeThread(const DecodeThread&) = delete;
  DecodeThread& operator=(const DecodeThread&) = delete;

  // Every Begin() is followed by one Take(), which waits.
  void Begin(std::vector<StepOutcome> outcomes) {
    outcomes_ = std::move(outcomes);
    begin_.release();
  }
  Decoded Take() {
    done_.acquire();
    return std::move(decoded_);
  }

 private:
  void Loop() {
    for (begin_.acquire(); !stop_; begin_.acquire()) {
      decoded_ = DecodeAll(model_, std::move(outcomes_));
      done_.release();
    }
  }

  VideoModel& model_;
  // The members between the two semaphores belong to one thread at a time: to the caller's until begin_ is released,
  // then to the other until done_ is.
  std::binary_semaphore begin_{0}, done_{0};
  std::vector<StepOutcome> outcomes_;
  Decoded decoded_;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the others
};

// One run: some sessions at one budget, from their first chunk on.
class ChunkRun {
 public:
  // `samples` is filled from chunk `warm_up` on. `decoder` null: chunks are decoded between the passes.
  ChunkRun(VideoModel& model, DecodeThread* decoder, int sessions, RetentionTenths budget, int64_t warm_up,
           ChunkSamples* samples)
      : model_(model), decoder_(decoder), sessions_(sessions), budget_(budget), warm_up_(warm_up), samples_(samples) {
    samples_->passes.resize(model.info().denoise_steps);
  }
  ~ChunkRun() {
    if (decoding_ >= 0) decoder_->Take();
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
    if (decoder_ != nullptr) {
      decoding_ = chunk;
      decoder_->Begin(*std::move(outcomes));
    } else if (const absl::Status own = Record(chunk, DecodeAll(model_, *std::move(outcomes))); !own.ok()) {
      return own;
    }
    return RunStep(StepKind::kContext, chunk, 0, measured ? &samples_->context : nullptr).status();
  }

  // Waits for the frames of the chunk before, if they are being decoded. At most one chunk is.
  absl::Status TakeDecoded() {
    if (decoding_ < 0) return absl::OkStatus();
    return Record(std::exchange(decoding_, -1), decoder_->Take());
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
  DecodeThread* const decoder_;
  const int sessions_;
  const RetentionTenths budget_;
  const int64_t warm_up_;
  ChunkSamples* const samples_;
  Samples* step_before_ = nullptr;
  int64_t decoding_ = -1;  // the chunk that decoder_ has, none: -1
  absl::Time last_finished_;
};

// Prompt to frames of one session alone, several times.
absl::Status MeasureFirstChunks(VideoModel& model, DecodeThread* decoder, RetentionTenths budget,
                                Samples* first_chunk) {
  for (int i = 0; i < kFirstChunks; ++i) {
    ChunkSamples ignored;
    ChunkRun run(model, decoder, 1, budget, /*warm_up=*/1, &ignored);
    const absl::Time began = absl::Now();
    absl::Status status = run.Begin();
    if (status.ok()) status = run.Chunk(0);
    if (status.ok()) status = run.TakeDecoded();
    if (!status.ok()) return status;
    first_chunk->Add(absl::Now() - began);
  }
  return absl::OkStatus();
}

absl::StatusOr<ChunkSamples> Measure(VideoModel& model, DecodeThread* decoder, int sessions, RetentionTenths budget,
                                     int chunks) {
  ChunkSamples samples;
  absl::Status status = MeasureFirstChunks(model, decoder, budget, &samples.first_chunk);
  const int64_t warm_up = model.info().window_tokens / model.info().tokens_per_chunk + 1;
  ChunkRun run(model, decoder, sessions, budget, warm_up, &samples);
  if (status.ok()) status = run.Begin();
  for (int64_t chunk = 0; status.ok() && chunk < warm_up + chunks; ++chunk) status = run.Chunk(chunk);
  if (status.ok()) status = run.TakeDecoded();
  if (!status.ok()) return status;
  return samples;
}

std::string Format(const Samples& samples) {
  return absl::StrFormat("%.1f (%.1f)", samples.Median(), samples.Quantile(0.95));
}

std::vector<std::string> Columns(const ModelInfo& info) {
  std::vector<std::string> columns = {"sessions", "budget", "executed", "predicted MACs"};
  for (int step = 0; step < info.denoise_steps; ++step) columns.push_back(absl::StrCat("pass ", step + 1));
  for (const char* column : {"all passes", "of it routing", "context", "decode", "first chunk", "chunk", "frames/s"}) {
    columns.push_back(column);
  }
  return columns;
}

std::vector<std::string> Row(const ModelConfig& config, const ModelInfo& info, int sessions,
                             const RetentionBudget& budget, const ChunkSamples& samples) {
  double predicted = 1.0, all_passes = 0;
  for (const RetentionTable& table : config.retention.tables) {
    if (table.nominal == budget.tenths) predicted = PredictedShare(config, table);
  }
  std::vector<std::string> row = {absl::StrCat(sessions), absl::StrFormat("%.1f", budget.tenths / 10.0),
                                  absl::StrFormat("%.4f", budget.executed), absl::StrFormat("%.3f", predicted)};
  for (const Samples& pass : samples.passes) {
    row.push_back(Format(pass));
    all_passes += pass.Median();
  }
  row.push_back(absl::StrFormat("%.1f", all_passes));
  // Of a GPU no part of a pass is timed by itself.
  row.push_back(info.device == "cuda" ? "-" : absl::StrFormat("%.2f", samples.routing.Mean() * info.denoise_steps));
  row.push_back(Format(samples.context));
  row.push_back(Format(samples.decode));
  row.push_back(Format(samples.first_chunk));
  row.push_back(Format(samples.period));
  row.push_back(absl::StrFormat("%.1f", 1000.0 * sessions * info.chunk_frames / samples.period.Median()));
  return row;
}

absl::Status CheckOptions(const ChunkBenchOptions& options, const ModelInfo& info) {
  for (const int sessions : options.sessions) {
    if (sessions < 1 || sessions > info.max_sessions_per_plan) {
      return absl::InvalidArgumentError(absl::StrCat("sessions: ", sessions, "; must be from 1 to ",
                                                     info.max_sessions_per_plan, ", the most ", info.name,
                                                     " takes in one plan"));
    }
  }
  for (const int tenths : options.budgets) {
    if (std::none_of(info.budgets.begin(), info.budgets.end(),
                     [tenths](const RetentionBudget& budget) { return budget.tenths == tenths; })) {
      return absl::InvalidArgumentError(absl::StrCat("budgets: ", tenths, "; ", info.name, " has no such budget"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RunChunkBench(const ChunkBenchOptions& options) {
  absl::StatusOr<ModelConfig> config = LoadModelConfig(options.model_folder);
  if (!config.ok()) return config.status();
  if (options.sessions.empty()) return absl::InvalidArgumentError("sessions: none; name at least one number");
  const int most_sessions = *std::max_element(options.sessions.begin(), options.sessions.end());
  absl::StatusOr<std::unique_ptr<VideoModel>> created = CreateCausalVideoModel(
      {options.model_folder, options.device, options.threads, options.precision, std::max(most_sessions, 1)});
  if (!created.ok()) return created.status();
  VideoModel& model = **created;
  const ModelInfo& info = model.info();
  if (absl::Status status = CheckOptions(options, info); !status.ok()) return status;

  const bool gpu = info.device == "cuda";
  const std::unique_ptr<DecodeThread> decoder = gpu ? std::make_unique<DecodeThread>(model) : nullptr;
  const std::string window = absl::StrCat(config->transformer.window_frames, " latent frames, ",
                                          config->transformer.sink_frames, " of them the sink");
  std::string machine;
  Report report(Columns(info));
  for (const int sessions : options.sessions) {
    for (const RetentionBudget& budget : info.budgets) {
      const auto& chosen = options.budgets;
      if (!chosen.empty() && std::find(chosen.begin(), chosen.end(), budget.tenths) == chosen.end()) continue;
      const absl::StatusOr<ChunkSamples> samples =
          Measure(model, decoder.get(), sessions, budget.tenths, options.chunks);
      if (!samples.ok()) return samples.status();
      report.AddRow(Row(*config, info, sessions, budget, *samples));
      machine = gpu ? absl::StrCat(GpuName(), " (read just after); ", MachineName()) : MachineName();
      // Row by row: whoever cuts a long run keeps what is done.
      const absl::Status written =
          WriteReport(options.json_file, report.Json({{"machine", machine},
                                                      {"model", info.name},
                                                      {"window", window},
                                                      {"device", info.device},
                                                      {"precision", gpu ? options.precision : "fp32"},
                                                      {"threads", absl::StrCat(options.threads)},
                                                      {"chunks", absl::StrCat(options.chunks)}}));
      if (!written.ok()) return written;
    }
  }
  return absl::StrCat(machine, "; ", info.description, "; window ", window, "; ", gpu ? options.precision : "fp32",
                      "; median (p95) of ", options.chunks,
                      " chunks after the window is full, in ms; first chunk: prompt to frames, one session alone; "
                      "chunk: from one finished chunk to the next; decoding ",
                      gpu ? "beside the passes of the next chunk" : "after the passes, on one thread", "\n\n",
                      report.Table());
}

}  // namespace videodiffcr
