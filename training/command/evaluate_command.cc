#include "training/command/evaluate_command.h"

#include <ATen/Parallel.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "command_line/flag_reader.h"
#include "command_line/program.h"
#include "media/contact_sheet.h"
#include "media/png_file.h"
#include "model/load/create_video_model.h"
#include "training/evaluation/evaluation.h"
#include "training/evaluation/reconstruction_quality.h"
#include "training/evaluation/two_objects.h"

namespace videodiffcr::training {
namespace {

struct EvaluateOptions {
  std::string model = "models/tiny";
  std::string classifier;  // empty: the model folder's
  std::string csv;
  std::string sheets;
  std::string only;
  std::string plain;  // the device of the plain path; empty: as served
  bool baselines = false;
  int64_t clips = 64;
  int64_t reconstructions = 64;
  int64_t two_objects = 0;
  int64_t long_chunks = 24;
  int64_t threads = 0;
  uint64_t seed = 1;
};

void AddFlags(EvaluateOptions* options, Command* command) {
  command->AddFlag({"model", "FOLDER", "Model folder to judge.", "out/tiny"}, ReadString(&options->model));
  command->AddFlag({"classifier", "FILE",
                    "Classifier that reads the clips; by default classifier.safetensors of the model's folder.",
                    "out/tiny/classifier.safetensors"},
                   ReadString(&options->classifier));
  command->AddFlag({"clips", "N", "Clips per condition; 0: none.", "256"}, ReadInteger(0, 1'000'000, &options->clips));
  command->AddFlag({"only", "TEXT", "Only conditions, and sheets of budgets, whose name contains TEXT.", "0.7"},
                   ReadString(&options->only));
  command->AddFlag({"long-chunks", "K", "Length of the long videos, in chunks.", "48"},
                   ReadInteger(5, 100'000, &options->long_chunks));
  command->AddFlag({"reconstructions", "N", "Held-out clips for the autoencoder; 0: none.", "0"},
                   ReadInteger(0, 1'000'000, &options->reconstructions));
  command->AddFlag({"two-objects", "N", "Clips of two objects, judged by colour; 0: none.", "128"},
                   ReadInteger(0, 1'000'000, &options->two_objects));
  command->AddFlag({"seed", "N", "Prompts, noise and scenes follow from it.", "7"}, ReadUnsigned(&options->seed));
  command->AddFlag({"csv", "FILE", "Also write the table here as CSV.", "quality.csv"}, ReadString(&options->csv));
  command->AddFlag(
      {"sheets", "FOLDER", "Also write one contact sheet per budget here, of the model's example prompts.", "sheets"},
      ReadString(&options->sheets));
  command->AddFlag(
      {"plain", "DEVICE", "Make clips on the plain path instead of the served one, on cpu or cuda.", "cuda"},
      ReadString(&options->plain));
  command->AddFlag(
      {"baselines", "YES", "With --plain: budgets by random scores and by the oracle too: yes or no.", "yes"},
      ReadYesNo(&options->baselines));
  command->AddFlag({"threads", "N", "Processor threads; 0: one per processor.", "2"},
                   ReadInteger(0, 1024, &options->threads));
  command->AddCheck([options]() -> absl::Status {
    if (!options->baselines || !options->plain.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("--baselines yes: needs --plain cpu or --plain cuda; serving knows routers only");
  });
}

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  return file ? absl::OkStatus() : absl::PermissionDeniedError(absl::StrCat("--csv ", path, ": cannot be written"));
}

// What an hour of judging ends with has to have a place: found out before it.
absl::Status PrepareOutputs(const EvaluateOptions& options) {
  if (!options.csv.empty()) {
    if (absl::Status written = WriteFile(options.csv, FormatCsv({})); !written.ok()) return written;
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

absl::Status EvaluateConditions(const EvaluateOptions& options, const std::vector<EvaluationCondition>& conditions,
                                const ClipSource& source, at::Device device) {
  const absl::StatusOr<ClassifierWeights> classifier = OpenClassifier(options, device);
  if (!classifier.ok()) return classifier.status();
  std::vector<QualityRow> rows;
  std::vector<std::string> names;
  for (const EvaluationCondition& condition : conditions) {
    names.push_back(condition.name);
    if (!absl::StrContains(condition.name, options.only)) continue;
    const auto progress = [&](const QualityRow& row) {
      std::cerr << absl::StrFormat("\r%s: %d of %d clips, %.0f s ", row.condition, row.all.asked, options.clips,
                                   row.seconds)
                << std::flush;
    };
    absl::StatusOr<QualityRow> row =
        EvaluateCondition(source, *classifier, condition, options.clips, options.seed, progress);
    if (row.ok()) std::cerr << absl::StrFormat(": %.3f +- %.3f", row->all.value(), row->all.standard_error());
    std::cerr << "\n";
    if (!row.ok()) return row.status();
    rows.push_back(*std::move(row));
    if (options.csv.empty()) continue;
    if (absl::Status written = WriteFile(options.csv, FormatCsv(rows)); !written.ok()) return written;
  }
  if (rows.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--only '", options.only, "': no such condition; there are ", absl::StrJoin(names, ", ")));
  }
  std::string report = absl::StrCat(FormatTable(rows), "\nmost frequent mistakes\n");
  for (const QualityRow& row : rows) absl::StrAppend(&report, row.condition, ": ", FormatMistakes(row, 5), "\n");
  return WriteText(report, std::cout);
}

// All that is asked of generated clips: the table, then scenes of two objects.
absl::Status EvaluateClips(const EvaluateOptions& options, const std::vector<EvaluationCondition>& conditions,
                           const ClipSource& source, at::Device device) {
  if (options.clips > 0) {
    const absl::Status status = EvaluateConditions(options, conditions, source, device);
    if (!status.ok()) return status;
  }
  if (options.two_objects == 0) return absl::OkStatus();
  const absl::StatusOr<TwoObjectQuality> quality = JudgeTwoObjects(source, options.two_objects, options.seed);
  if (!quality.ok()) return quality.status();
  return WriteText(FormatTwoObjects(*quality), std::cout);
}

absl::Status EvaluatePlain(const EvaluateOptions& options) {
  const absl::StatusOr<at::Device> device = ParseDevice(options.plain);
  if (!device.ok()) return device.status();
  const absl::StatusOr<PlainSampler> sampler = PlainSampler::Load(options.model, *device);
  if (!sampler.ok()) return sampler.status();
  std::vector<EvaluationCondition> conditions = StandardConditions(sampler->budgets(), options.long_chunks);
  if (options.baselines) {
    for (EvaluationCondition& baseline : BaselineConditions(sampler->budgets())) {
      conditions.push_back(std::move(baseline));
    }
  }
  const int64_t side_by_side = device->is_cpu() ? 8 : 256;
  return EvaluateClips(options, conditions, PlainClips(*sampler, side_by_side, options.seed), *device);
}

absl::Status EvaluateServed(const EvaluateOptions& options, VideoModel& model) {
  std::vector<RetentionTenths> budgets;
  for (const RetentionBudget& budget : model.info().budgets) budgets.push_back(budget.tenths);
  return EvaluateClips(options, StandardConditions(budgets, options.long_chunks), ServedClips(model), at::kCPU);
}

std::vector<VideoFrame> SpreadOverClip(const std::vector<FrameChunk>& chunks, int count, int frames_per_second) {
  int64_t total = 0;
  for (const FrameChunk& chunk : chunks) total += chunk.frame_count;
  std::vector<VideoFrame> picked;
  for (const int64_t index : SpreadFrames(total, count)) {
    int64_t at = index;
    size_t chunk = 0;
    while (at >= chunks[chunk].frame_count) at -= chunks[chunk++].frame_count;
    const size_t bytes = static_cast<size_t>(chunks[chunk].width) * chunks[chunk].height * 3;
    const auto begin = chunks[chunk].pixels.begin() + static_cast<int64_t>(bytes) * at;
    VideoFrame frame;
    frame.image = {chunks[chunk].width, chunks[chunk].height, std::vector<uint8_t>(begin, begin + bytes)};
    frame.seconds = static_cast<double>(index) / frames_per_second;
    picked.push_back(std::move(frame));
  }
  return picked;
}

// One sheet per budget, a row per example prompt, the same noise on every sheet.
absl::Status WriteSheets(const EvaluateOptions& options, VideoModel& model) {
  constexpr int kColumns = 6;
  constexpr int64_t kChunks = 8;
  const ModelInfo& info = model.info();
  for (const RetentionBudget& budget : info.budgets) {
    if (!absl::StrContains(BudgetName(budget.tenths), options.only)) continue;
    ContactSheetOptions sheet;
    sheet.columns = kColumns;
    sheet.captions = {absl::StrFormat("%s, retention %.1f (executed %.3f), %d chunks, seed %d", info.name,
                                      budget.tenths / 10.0, budget.executed, kChunks, options.seed)};
    std::vector<ClipRequest> requests;
    for (const std::string& prompt : info.example_prompts) {
      sheet.captions.push_back(prompt);
      requests.push_back({{{0, prompt}}, options.seed + requests.size(), budget.tenths, kChunks});
    }
    const absl::StatusOr<std::vector<std::vector<FrameChunk>>> clips = GenerateClips(model, requests);
    if (!clips.ok()) return clips.status();
    std::vector<VideoFrame> frames;
    for (const std::vector<FrameChunk>& clip : *clips) {
      for (VideoFrame& frame : SpreadOverClip(clip, kColumns, info.frames_per_second)) {
        frames.push_back(std::move(frame));
      }
    }
    const std::string path = absl::StrFormat("%s/%s_%02d.png", options.sheets, info.name, budget.tenths);
    if (absl::Status written = WritePng(TileFrames(frames, sheet), path); !written.ok()) return written;
    std::cerr << path << "\n";
  }
  return absl::OkStatus();
}

absl::Status RunEvaluate(const EvaluateOptions& options) {
  if (absl::Status prepared = PrepareOutputs(options); !prepared.ok()) return prepared;
  if (options.threads > 0) at::set_num_threads(static_cast<int>(options.threads));
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
  const absl::StatusOr<std::unique_ptr<VideoModel>> model = CreateVideoModel(model_options);
  if (!model.ok()) return model.status();
  if (judge_served) {
    if (absl::Status status = EvaluateServed(options, **model); !status.ok()) return status;
  }
  return options.sheets.empty() ? absl::OkStatus() : WriteSheets(options, **model);
}

}  // namespace

Subcommand EvaluateSubcommand() {
  CommandText text = {
      "evaluate", "says how often a model shows what its prompts say",
      "Generates clips as a server does, lets a classifier read seven attributes back, and prints the share of clips "
      "with all of them right (n, standard error) for each retention budget, for long videos, after a prompt switch "
      "and for shape and colour pairs that were held out of training; the Frechet distance of the classifier's "
      "features "
      "to those of renders, the most frequent mistakes, and the autoencoder's PSNR on held-out scenes.",
      "videodiffcr-train evaluate --model models/tiny --clips 256 --csv quality.csv --sheets docs/images"};
  const auto add = [](Command* command) {
    const auto options = std::make_shared<EvaluateOptions>();
    AddFlags(options.get(), command);
    return [options] { return RunEvaluate(*options); };
  };
  return {std::move(text), add};
}

}  // namespace videodiffcr::training
