#include "training/command/evaluate_command.h"

#include <ATen/Parallel.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "command_line/program.h"
#include "model/load/create_video_model.h"
#include "system/whole_file.h"
#include "system/writable.h"
#include "training/command/contact_sheets.h"
#include "training/command/evaluate_options.h"
#include "training/command/evaluate_prompts.h"
#include "training/evaluation/evaluation.h"
#include "training/evaluation/identity_drift.h"
#include "training/evaluation/quality_score.h"
#include "training/evaluation/reconstruction_quality.h"
#include "training/evaluation/two_objects.h"
#include "training/students/baselines.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kSideBySideOnGpu = 256, kSideBySideOnCpu = 8;

absl::Status Named(const std::string& flag, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(flag, ": ", status.message()));
}

absl::Status WriteFile(const std::string& flag, const std::string& path, const std::string& text) {
  return Named(flag, WriteWholeFile(path, text));
}

// What an hour of judging ends with has to have a place: found out before it. Older files stay until there is something
// to replace them with.
absl::Status PrepareOutputs(const EvaluateOptions& options) {
  for (const auto& [flag, path] :
       {std::pair{"--csv", options.csv}, {"--per-clip", options.per_clip}, {"--write-bounds", options.write_bounds}}) {
    if (path.empty()) continue;
    if (absl::Status writable = CheckWritable(path, flag); !writable.ok()) return writable;
  }
  std::error_code error;
  if (!options.sheets.empty()) std::filesystem::create_directories(options.sheets, error);
  return error ? absl::PermissionDeniedError(
                     absl::StrCat("--sheets ", options.sheets, ": cannot be created: ", error.message()))
               : absl::OkStatus();
}

absl::StatusOr<ClassifierWeights> OpenClassifier(const EvaluateOptions& options, at::Device device) {
  absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(
      options.classifier.empty() ? options.model + "/classifier.safetensors" : options.classifier);
  if (!file.ok()) return file.status();
  WeightOptions weights;
  weights.device = device;
  return LoadClassifier(*file, weights);
}

// Nothing when no file is named and the model folder has none.
absl::StatusOr<std::optional<QualityBounds>> OpenBounds(const EvaluateOptions& options) {
  const std::string own = options.model + "/quality_bounds.csv";
  if (!options.proxies || (options.bounds.empty() && !std::filesystem::exists(own))) return std::nullopt;
  absl::StatusOr<QualityBounds> bounds = ReadBounds(options.bounds.empty() ? own : options.bounds);
  if (!bounds.ok()) return bounds.status();
  return *std::move(bounds);
}

absl::Status EvaluateReconstruction(const EvaluateOptions& options) {
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(options.model);
  if (!config.ok()) return config.status();
  if (config->decoder.kind != DecoderKind::kPixelShuffleTaehv) {
    return absl::FailedPreconditionError(
        absl::StrCat(options.model, ": no autoencoder of the tiny model's kind to judge; say --reconstructions 0"));
  }
  const absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(options.model + "/" + config->decoder.file);
  if (!file.ok()) return file.status();
  const absl::StatusOr<PixelShuffleEncoderWeights> encoder = LoadPixelShuffleEncoder(*file);
  if (!encoder.ok()) return encoder.status();
  const absl::StatusOr<PixelShuffleDecoderWeights> decoder = LoadPixelShuffleDecoder(*file);
  if (!decoder.ok()) return decoder.status();
  ReconstructionOptions reconstruction;
  reconstruction.clips = options.reconstructions;
  reconstruction.seed = options.seed;
  return WriteText(FormatReconstruction(JudgeReconstruction(*encoder, *decoder, reconstruction)), std::cout);
}

EvaluationSettings SettingsOf(const EvaluateOptions& options) {
  EvaluationSettings settings;
  settings.clips = options.clips;
  settings.seed = options.seed;
  settings.proxies = options.proxies;
  settings.method = MethodOf(options);
  settings.training_seed = options.training_seed;
  return settings;
}

// Judges condition after condition, and writes down what is known after each.
class Judging {
 public:
  static absl::StatusOr<Judging> Open(const EvaluateOptions& options, const ClipSource& source, at::Device device) {
    absl::StatusOr<ClassifierWeights> classifier = OpenClassifier(options, device);
    if (!classifier.ok()) return classifier.status();
    const absl::StatusOr<std::optional<QualityBounds>> bounds = OpenBounds(options);
    if (!bounds.ok()) return bounds.status();
    return Judging(options, source, *std::move(classifier), *bounds);
  }

  absl::Status Run(const EvaluationCondition& condition) {
    return condition.kind == ConditionKind::kDrift ? RunDrift(condition) : RunShare(condition);
  }

  std::string Report() const {
    std::string report;
    if (!rows_.empty()) absl::StrAppend(&report, FormatTable(rows_), "\nmost frequent mistakes\n");
    for (const QualityRow& row : rows_) absl::StrAppend(&report, row.condition, ": ", FormatMistakes(row, 5), "\n");
    return absl::StrCat(report, drift_);
  }

 private:
  Judging(const EvaluateOptions& options, const ClipSource& source, ClassifierWeights classifier,
          const std::optional<QualityBounds>& bounds)
      : options_(options), source_(source), classifier_(std::move(classifier)), bounds_(bounds) {}

  void ShowProgress(const QualityRow& row) const {
    std::cerr << absl::StrFormat("\r%s: %d of %d clips, %.0f s ", row.condition, row.all.asked, options_.clips,
                                 row.seconds)
              << std::flush;
  }

  absl::Status RunShare(const EvaluationCondition& condition) {
    absl::StatusOr<ConditionResult> result = EvaluateCondition(source_, classifier_, condition, SettingsOf(options_),
                                                               [this](const QualityRow& row) { ShowProgress(row); });
    if (!result.ok()) return result.status();
    QualityRow& row = result->row;
    if (bounds_) row.score = ScoreOf(MeansOf(result->judged.clips), *bounds_);
    std::cerr << absl::StrFormat(": %.3f +- %.3f\n", row.all.value(), row.all.standard_error());
    rows_.push_back(std::move(row));
    if (absl::Status kept = KeepClips({result->judged}); !kept.ok()) return kept;
    return options_.csv.empty() ? absl::OkStatus() : WriteFile("--csv", options_.csv, FormatCsv(rows_));
  }

  absl::Status RunDrift(const EvaluationCondition& condition) {
    const absl::StatusOr<std::vector<JudgedClips>> drift = EvaluateDrift(
        source_, classifier_, condition, SettingsOf(options_), [this](const QualityRow& row) { ShowProgress(row); });
    if (!drift.ok()) return drift.status();
    const std::string found = FormatDrift(condition.name, *drift);
    std::cerr << "\n" << found;
    absl::StrAppend(&drift_, found);
    return KeepClips(*drift);
  }

  // The first replace an older file.
  absl::Status KeepClips(const std::vector<JudgedClips>& judged) {
    if (options_.per_clip.empty()) return absl::OkStatus();
    std::string lines;
    for (const JudgedClips& clips : judged) absl::StrAppend(&lines, FormatClips(clips));
    if (std::exchange(keeps_clips_, true)) return Named("--per-clip", AppendWhole(options_.per_clip, lines));
    return WriteFile("--per-clip", options_.per_clip, ClipFileHeader(CommandOf(options_)) + lines);
  }

  const EvaluateOptions& options_;
  const ClipSource& source_;
  ClassifierWeights classifier_;
  std::optional<QualityBounds> bounds_;
  std::vector<QualityRow> rows_;
  std::string drift_;
  bool keeps_clips_ = false;  // in a file that has some by now
};

// All that is asked of generated clips: the table, then scenes of two objects.
absl::Status EvaluateClips(const EvaluateOptions& options, const std::vector<RetentionTenths>& budgets,
                           const ClipSource& source, at::Device device) {
  if (options.clips > 0) {
    const auto conditions = ConditionsOf(options, budgets);
    if (!conditions.ok()) return conditions.status();
    absl::StatusOr<Judging> judging = Judging::Open(options, source, device);
    if (!judging.ok()) return judging.status();
    for (const EvaluationCondition& condition : *conditions) {
      if (absl::Status status = judging->Run(condition); !status.ok()) return status;
    }
    if (absl::Status written = WriteText(judging->Report(), std::cout); !written.ok()) return written;
  }
  if (options.two_objects == 0) return absl::OkStatus();
  const absl::StatusOr<TwoObjectQuality> quality = JudgeTwoObjects(source, options.two_objects, options.seed);
  if (!quality.ok()) return quality.status();
  return WriteText(FormatTwoObjects(*quality), std::cout);
}

// Of whatever student a folder holds.
std::vector<RetentionTenths> AllBudgets() {
  std::vector<RetentionTenths> budgets;
  for (RetentionTenths budget = kDenseTenths; budget > 0; --budget) budgets.push_back(budget);
  return budgets;
}

absl::Status EvaluatePlain(const EvaluateOptions& options) {
  const absl::StatusOr<at::Device> device = ParseDevice(options.plain);
  if (!device.ok()) return device.status();
  absl::StatusOr<PlainSampler> sampler =
      PlainSampler::Load(options.model, *device, std::nullopt, CacheOf(options, AllBudgets()));
  if (!sampler.ok()) return sampler.status();
  const TokenMemoryOptions memory = {options.hysteresis, options.anchor};
  if (memory.remembers() && HasBaseline(options.model)) {
    return absl::FailedPreconditionError(
        absl::StrCat("--hysteresis, --anchor: ", options.model, " ranks tokens in a way of its own"));
  }
  sampler->set_memory(memory);
  const int64_t side_by_side = device->is_cpu() ? kSideBySideOnCpu : kSideBySideOnGpu;
  return EvaluateClips(options, sampler->budgets(), PlainClips(*sampler, side_by_side, options.seed), *device);
}

absl::Status EvaluateServed(const EvaluateOptions& options, const ModelConfig& config, VideoModel& model) {
  return EvaluateClips(options, BudgetsOf(config.retention), ServedClips(model, config), at::kCPU);
}

// The dense model without the second half of its blocks, and renders: 0 and 1 of every dimension.
absl::Status WriteBounds(const EvaluateOptions& options) {
  const absl::StatusOr<at::Device> device = ParseDevice(options.plain);
  if (!device.ok()) return device.status();
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(options.model);
  if (!config.ok()) return config.status();
  const absl::StatusOr<PlainSampler> degraded =
      PlainSampler::Load(options.model, *device, config->transformer.num_layers / 2);
  if (!degraded.ok()) return degraded.status();
  const absl::StatusOr<ClassifierWeights> classifier = OpenClassifier(options, *device);
  if (!classifier.ok()) return classifier.status();
  EvaluationSettings settings = SettingsOf(options);
  settings.proxies = true;
  const ClipSource source = PlainClips(*degraded, device->is_cpu() ? kSideBySideOnCpu : kSideBySideOnGpu, options.seed);
  EvaluationCondition condition;
  condition.name = "half of the blocks";
  const absl::StatusOr<ConditionResult> least =
      EvaluateCondition(source, *classifier, condition, settings, [](const QualityRow&) {});
  if (!least.ok()) return least.status();
  const ConditionResult most = EvaluateRenders(*classifier, settings);
  if (absl::Status written = WriteText(FormatTable({least->row, most.row}), std::cout); !written.ok()) return written;
  return WriteFile("--write-bounds", options.write_bounds,
                   FormatBounds({MeansOf(least->judged.clips), MeansOf(most.judged.clips)}, CommandOf(options)));
}

absl::Status RunEvaluate(const EvaluateOptions& options) {
  if (!options.prompts.file.empty()) return EvaluatePrompts(options);
  if (absl::Status prepared = PrepareOutputs(options); !prepared.ok()) return prepared;
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
  if (!options.write_bounds.empty()) return WriteBounds(options);
  if (options.reconstructions > 0) {
    if (absl::Status status = EvaluateReconstruction(options); !status.ok()) return status;
  }
  const bool judge_clips = options.clips > 0 || options.two_objects > 0;
  if (judge_clips && !options.plain.empty()) {
    if (absl::Status status = EvaluatePlain(options); !status.ok()) return status;
  }
  const bool judge_served = judge_clips && options.plain.empty();
  if (!judge_served && options.sheets.empty()) return absl::OkStatus();
  VideoModelOptions model_options;
  model_options.model_folder = options.model;
  model_options.threads = static_cast<int>(options.threads);
  model_options.device = options.device;
  model_options.precision = options.precision;
  model_options.rgb_frames = true;
  absl::StatusOr<ModelConfig> config = LoadModelConfig(options.model);
  if (!config.ok()) return config.status();
  model_options.cache_retention = CacheOf(options, BudgetsOf(config->retention));
  if (model_options.cache_retention) config->retention.cache = *model_options.cache_retention;
  const absl::StatusOr<std::unique_ptr<VideoModel>> model = CreateVideoModel(model_options);
  if (!model.ok()) return model.status();
  if (judge_served) {
    if (absl::Status status = EvaluateServed(options, *config, **model); !status.ok()) return status;
  }
  if (options.sheets.empty()) return absl::OkStatus();
  return WriteContactSheets({options.sheets, options.only, options.seed}, **model);
}

}  // namespace

Subcommand EvaluateSubcommand() {
  CommandText text = {
      "evaluate", "says how often a model shows what its prompts say",
      "Generates clips as a server does, lets a classifier read seven attributes back, and prints the share of clips "
      "with all of them right (n, standard error) at every retention budget: in short videos, at the end of long ones, "
      "after a prompt switch and for shape and colour pairs that were held out of training; what share of the tokens "
      "was processed and the multiply-adds; the Frechet distance of the classifier's features to those of renders, the "
      "most frequent mistakes, and the autoencoder's PSNR on held-out scenes. With --prompts any model folder is "
      "judged, without a classifier: by the distance of its budgets' latents to the dense ones.",
      "videodiffcr-train evaluate --model models/tiny --clips 256 --csv quality.csv --sheets docs/images"};
  const auto add = [](Command* command) {
    const auto options = std::make_shared<EvaluateOptions>();
    AddEvaluateFlags(options.get(), command);
    return [options] { return RunEvaluate(*options); };
  };
  return {std::move(text), add};
}

}  // namespace videodiffcr::training
