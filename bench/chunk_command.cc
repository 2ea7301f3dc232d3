#include <memory>

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

struct ChunkSamples {
  std::vector<Samples> passes;  // one per denoising step, ms
  Samples context, decode, chunk, routing;
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

absl::Status RunPlan(VideoModel& model, const StepPlan& plan, std::vector<StepOutcome>& outcomes, Samples* elapsed,
                     Samples* routing) {
  const absl::Time began = absl::Now();
  outcomes = model.Run(plan);
  if (elapsed != nullptr) elapsed->Add(absl::Now() - began);
  for (const StepOutcome& outcome : outcomes) {
    if (!outcome.status.ok()) return outcome.status;
    if (routing != nullptr) routing->Add(outcome.routing);
  }
  return absl::OkStatus();
}

// One chunk of all sessions; `samples` null: not measured.
absl::Status RunChunk(VideoModel& model, int sessions, int64_t chunk, RetentionTenths budget, ChunkSamples* samples) {
  std::vector<StepOutcome> outcomes;
  const absl::Time began = absl::Now();
  const int steps = model.info().denoise_steps;
  for (int step = 0; step < steps; ++step) {
    const absl::Status status = RunPlan(model, PlanForAll(sessions, StepKind::kDenoise, chunk, step, budget), outcomes,
                                        samples == nullptr ? nullptr : &samples->passes[step],
                                        samples == nullptr ? nullptr : &samples->routing);
    if (!status.ok()) return status;
  }
  for (StepOutcome& outcome : outcomes) {
    const absl::Time decode_began = absl::Now();
    const absl::StatusOr<FrameChunk> frames = model.Decode(std::move(outcome.latents));
    if (!frames.ok()) return frames.status();
    if (samples != nullptr) samples->decode.Add(absl::Now() - decode_began);
  }
  const absl::Status status = RunPlan(model, PlanForAll(sessions, StepKind::kContext, chunk, 0, budget), outcomes,
                                      samples == nullptr ? nullptr : &samples->context, nullptr);
  if (samples != nullptr) samples->chunk.Add(absl::Now() - began);
  return status;
}

std::string Format(const Samples& samples) {
  return absl::StrFormat("%.1f (%.1f)", samples.Median(), samples.Quantile(0.95));
}

}  // namespace

absl::StatusOr<std::string> RunChunkBench(const ChunkBenchOptions& options) {
  absl::StatusOr<ModelConfig> config = LoadModelConfig(options.model_folder);
  if (!config.ok()) return config.status();
  absl::StatusOr<std::unique_ptr<VideoModel>> created =
      CreateCausalVideoModel({options.model_folder, "cpu", options.threads});
  if (!created.ok()) return created.status();
  VideoModel& model = **created;
  const ModelInfo& info = model.info();

  std::vector<std::string> columns = {"budget", "executed", "predicted MACs"};
  for (int step = 0; step < info.denoise_steps; ++step) columns.push_back(absl::StrCat("pass ", step + 1));
  for (const char* column : {"all passes", "of it routing", "context", "decode", "chunk", "frames/s"})
    columns.push_back(column);
  Report report(columns);
  const int64_t warm_up = info.window_tokens / info.tokens_per_chunk + 1;
  for (const RetentionBudget& budget : info.budgets) {
    for (int session = 1; session <= options.sessions; ++session) {
      const absl::Status begun = model.BeginSession(session, session);
      if (!begun.ok()) return begun;
    }
    std::vector<StepOutcome> outcomes;
    absl::Status status =
        RunPlan(model, PlanForAll(options.sessions, StepKind::kText, 0, 0, budget.tenths), outcomes, nullptr, nullptr);
    ChunkSamples samples;
    samples.passes.resize(info.denoise_steps);
    for (int64_t chunk = 0; status.ok() && chunk < warm_up + options.chunks; ++chunk) {
      status = RunChunk(model, options.sessions, chunk, budget.tenths, chunk < warm_up ? nullptr : &samples);
    }
    for (int session = 1; session <= options.sessions; ++session) model.EndSession(session);
    if (!status.ok()) return status;

    double predicted = 1.0, all_passes = 0;
    for (const RetentionTable& table : config->retention.tables) {
      if (table.nominal == budget.tenths) predicted = PredictedShare(*config, table);
    }
    std::vector<std::string> row = {absl::StrFormat("%.1f", budget.tenths / 10.0),
                                    absl::StrFormat("%.4f", budget.executed), absl::StrFormat("%.3f", predicted)};
    for (const Samples& pass : samples.passes) {
      row.push_back(Format(pass));
      all_passes += pass.Median();
    }
    row.push_back(absl::StrFormat("%.1f", all_passes));
    row.push_back(absl::StrFormat("%.2f", samples.routing.Mean() * info.denoise_steps));
    row.push_back(Format(samples.context));
    row.push_back(Format(samples.decode));
    row.push_back(Format(samples.chunk));
    row.push_back(absl::StrFormat("%.1f", 1000.0 * options.sessions * info.chunk_frames / samples.chunk.Median()));
    report.AddRow(std::move(row));
  }
  const std::map<std::string, std::string> context = {{"machine", MachineName()},
                                                      {"model", info.name},
                                                      {"sessions", absl::StrCat(options.sessions)},
                                                      {"threads", absl::StrCat(options.threads)},
                                                      {"chunks", absl::StrCat(options.chunks)}};
  const absl::Status written = WriteReport(options.json_file, report.Json(context));
  if (!written.ok()) return written;
  return absl::StrCat(MachineName(), "; model ", info.name, "; ", options.sessions,
                      " session(s) in every plan; median (p95) of ", options.chunks,
                      " chunks after the window is full, in ms; decoding after the passes, on one thread\n\n",
                      report.Table());
}

}  // namespace videodiffcr
