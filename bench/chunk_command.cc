#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/chunk_run.h"
#include "bench/commands.h"
#include "bench/report.h"
#include "model/config/kv_window.h"
#include "model/config/model_config.h"
#include "model/load/create_video_model.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

// Multiply-adds of all blocks for the four passes over a chunk with a full window, against dense with a whole cache.
double PredictedShare(const ModelConfig& config, const RetentionTable& table) {
  const TransformerConfig& sizes = config.transformer;
  const BlockCostShape shape{sizes.dim, sizes.ffn_dim, sizes.text_len};
  const int64_t tokens = sizes.tokens_per_chunk(), past = sizes.window_tokens() - tokens;
  const CacheShares* shares = FindCacheShares(config.retention.cache, table.nominal);
  double routed = 0, dense = 0;
  for (size_t block = 0; block < table.tenths.size(); ++block) {
    const std::vector<int>& layer = table.tenths[block];
    const int64_t kept_past = MostPastKeys(sizes, PercentKept(shares, static_cast<int64_t>(block)));
    for (size_t step = 0; step < config.sampling.denoise_steps.size(); ++step) {
      dense += DenseBlockMacs(shape, tokens, past);
      routed += RoutedBlockMacs(shape, tokens, KeptRows(layer[step], tokens), kept_past, config.retention.kv_mode);
    }
  }
  return routed / dense;
}

// "window 21 latent frames, 0 of them the sink; cache 0.50 by router".
std::string WindowOf(const ModelConfig& config) {
  const TransformerConfig& sizes = config.transformer;
  const CacheRetention& cache = config.retention.cache;
  std::string text = absl::StrCat(sizes.window_frames, " latent frames, ", sizes.sink_frames, " of them the sink");
  if (cache.whole()) return text;
  const double dense = MeanShareKept(cache, kDenseTenths, sizes.num_layers);
  return absl::StrFormat("%s; cache %.2f by %s", text, dense, CacheScoreName(cache.score));
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
  double all_passes = 0;
  const absl::StatusOr<const RetentionTable*> table = FindTable(config.retention, budget.tenths);
  const double predicted = PredictedShare(
      config, table.ok() && *table != nullptr
                  ? **table
                  : DenseRetentionTable(config.transformer.num_layers, static_cast<int64_t>(info.denoise_steps)));
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
      return WrongUsageError(absl::StrCat("sessions: ", sessions, "; must be from 1 to ", info.max_sessions_per_plan,
                                          ", the most ", info.name, " takes in one plan"));
    }
  }
  for (const int tenths : options.budgets) {
    if (const absl::Status status = FindBudget(info, tenths).status(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RunChunkBench(const ChunkBenchOptions& options) {
  absl::StatusOr<ModelConfig> config = LoadModelConfig(options.model_folder);
  if (!config.ok()) return config.status();
  if (options.sessions.empty()) return WrongUsageError("sessions: none; name at least one number");
  const int most_sessions = *std::max_element(options.sessions.begin(), options.sessions.end());
  absl::StatusOr<std::unique_ptr<VideoModel>> created =
      CreateVideoModel({options.model_folder, options.device, options.threads, options.precision,
                        std::max(most_sessions, 1), options.decode_graph});
  if (!created.ok()) return created.status();
  VideoModel& model = **created;
  const ModelInfo& info = model.info();
  if (absl::Status status = CheckOptions(options, info); !status.ok()) return status;

  const bool gpu = info.device == "cuda";
  const std::string window = WindowOf(*config);
  std::string machine;
  Report report(Columns(info));
  for (const int sessions : options.sessions) {
    for (const RetentionBudget& budget : info.budgets) {
      const auto& chosen = options.budgets;
      if (!chosen.empty() && std::find(chosen.begin(), chosen.end(), budget.tenths) == chosen.end()) continue;
      const absl::StatusOr<ChunkSamples> samples = MeasureChunks(model, sessions, budget.tenths, options.chunks);
      if (!samples.ok()) return samples.status();
      report.AddRow(Row(*config, info, sessions, budget, *samples));
      machine = gpu ? absl::StrCat(GpuName(), " (read just after); ", MachineName()) : MachineName();
      // Row by row: whoever cuts a long run keeps what is done.
      const absl::Status written =
          WriteReport(options.json_file, report.Json({{"machine", machine},
                                                      {"model", info.name},
                                                      {"window", window},
                                                      {"session MiB", absl::StrCat(info.session_bytes >> 20)},
                                                      {"device", info.device},
                                                      {"precision", gpu ? options.precision : "fp32"},
                                                      {"threads", absl::StrCat(options.threads)},
                                                      {"decode graph", gpu && options.decode_graph ? "yes" : "no"},
                                                      {"chunks", absl::StrCat(options.chunks)}}));
      if (!written.ok()) return written;
    }
  }
  return absl::StrCat(machine, "; ", info.description, "; window ", window, "; ", info.session_bytes >> 20,
                      " MiB a session; ", gpu ? options.precision : "fp32", "; median (p95) of ", options.chunks,
                      " chunks after the window is full, in ms; first chunk: prompt to frames, one session alone; "
                      "chunk: from one finished chunk to the next; decoding ",
                      gpu ? "beside the passes of the next chunk" : "after the passes, on one thread", "\n\n",
                      report.Table());
}

}  // namespace videodiffcr
