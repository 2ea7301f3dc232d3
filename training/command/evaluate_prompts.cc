#include "training/command/evaluate_prompts.h"

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "command_line/program.h"
#include "model/rollout/latent_rollout.h"
#include "system/scratch_folder.h"
#include "system/whole_file.h"
#include "system/writable.h"
#include "system/wrong_usage.h"
#include "training/command/prompt_sheets.h"
#include "training/evaluation/budget_distance.h"
#include "training/prompts/prompt_set.h"
#include "training/scenes/random_stream.h"

namespace videodiffcr::training {
namespace {

// The prompts, encoded: the encoder's memory is free again before the transformer needs it.
struct EncodedClips {
  std::vector<std::string> prompts;
  std::vector<RolloutClip> clips;
};

absl::StatusOr<EncodedClips> EncodeClips(const EvaluateOptions& options) {
  const absl::StatusOr<ScratchFolder> folder = ScratchFolder::Make("videodiffcr-text");
  if (!folder.ok()) return folder.status();
  PromptSetOptions set;
  set.model_folder = options.model;
  set.device = options.device;
  set.file = options.prompts.file;
  set.column = options.prompts.column;
  set.most = options.clips;
  set.cache_folder = folder->path();
  const absl::StatusOr<PromptSet> prompts = PromptSet::Open(set, std::cerr);
  if (!prompts.ok()) return prompts.status();
  std::vector<std::string> wanted = prompts->prompts();
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  const absl::Status encoded = prompts->Encode(wanted, *SingleProcess::Instance(), std::cerr);
  if (!encoded.ok()) return encoded;
  EncodedClips result = {prompts->prompts(), {}};
  for (size_t clip = 0; clip < result.prompts.size(); ++clip) {
    absl::StatusOr<at::Tensor> text = prompts->Text(result.prompts[clip]);
    if (!text.ok()) return text.status();
    result.clips.push_back({*std::move(text), RandomStream(options.seed, DrawPurpose::kEvaluation, clip).Bits64()});
  }
  return result;
}

absl::StatusOr<std::vector<RetentionTenths>> BudgetsOf(const EvaluateOptions& options, const ModelConfig& config) {
  std::vector<RetentionTenths> budgets;
  for (const RetentionTable& table : config.retention.tables) {
    const bool wanted = options.budgets.empty() || std::find(options.budgets.begin(), options.budgets.end(),
                                                             table.nominal) != options.budgets.end();
    if (wanted) budgets.push_back(table.nominal);
  }
  for (const int tenths : options.budgets) {
    if (tenths == kDenseTenths || std::find(budgets.begin(), budgets.end(), tenths) != budgets.end()) continue;
    return WrongUsageError(absl::StrCat("--budgets ", BudgetText(tenths), ": the model has no such budget"));
  }
  return budgets;
}

// Rows of the sheets as videos are finished: clip by clip all budgets are needed, and they come budget by budget.
class SheetRows {
 public:
  SheetRows(PromptSheets sheets, size_t rows) : sheets_(std::move(sheets)), rows_(rows) {}

  absl::Status Add(size_t clip, RetentionTenths budget, const std::vector<at::Tensor>& chunks,
                   const std::string& prompt) {
    waiting_[clip].push_back({budget, chunks});
    if (waiting_[clip].size() < rows_) return absl::OkStatus();
    for (const Row& row : waiting_[clip]) {
      const std::string caption =
          row.budget == kDenseTenths ? "dense" : absl::StrFormat("budget %.1f", 0.1 * row.budget);
      if (absl::Status added = sheets_.AddRow(caption, row.chunks); !added.ok()) return added;
    }
    waiting_.erase(clip);
    return sheets_.Write(clip, prompt);
  }

 private:
  struct Row {
    RetentionTenths budget;
    std::vector<at::Tensor> chunks;
  };

  PromptSheets sheets_;
  const size_t rows_;
  std::map<size_t, std::vector<Row>> waiting_;
};

absl::Status WriteCsv(const std::string& path, const std::string& text) {
  const absl::Status written = WriteWholeFile(path, text);
  return absl::Status(written.code(), absl::StrCat("--csv: ", written.message()));
}

}  // namespace

absl::Status EvaluatePrompts(const EvaluateOptions& options) {
  if (options.clips < 1) return WrongUsageError("--clips 0: with --prompts at least 1");
  if (!options.csv.empty()) {
    if (absl::Status place = CheckWritable(options.csv, "--csv"); !place.ok()) return place;
  }
  const absl::StatusOr<EncodedClips> encoded = EncodeClips(options);
  if (!encoded.ok()) return encoded.status();
  LatentRolloutOptions rollout_options;
  rollout_options.model_folder = options.model;
  rollout_options.device = options.device;
  rollout_options.most_clips = static_cast<int>(std::min<size_t>(encoded->clips.size(), 1024));
  rollout_options.threads = static_cast<int>(options.threads);
  const auto rollout = CreateLatentRollout(rollout_options);
  if (!rollout.ok()) return rollout.status();
  const auto budgets = BudgetsOf(options, (*rollout)->config());
  if (!budgets.ok()) return budgets.status();
  std::optional<SheetRows> sheets;
  if (!options.sheets.empty()) {
    absl::StatusOr<PromptSheets> opened =
        PromptSheets::Open(options.model, (*rollout)->config(), (*rollout)->device(), options.sheets);
    if (!opened.ok()) return opened.status();
    sheets.emplace(*std::move(opened), budgets->size() + 1);
  }
  const auto distances = MeasureDistances(
      **rollout, encoded->clips, *budgets, options.prompts.chunks,
      [&](size_t clip, RetentionTenths budget, const std::vector<at::Tensor>& chunks) -> absl::Status {
        std::cerr << absl::StrFormat("\rclip %d of %d, budget %.1f ", clip + 1, encoded->clips.size(), 0.1 * budget)
                  << std::flush;
        return sheets ? sheets->Add(clip, budget, chunks, encoded->prompts[clip]) : absl::OkStatus();
      });
  if (!distances.ok()) return distances.status();
  std::cerr << "\n";
  if (!options.csv.empty()) {
    if (absl::Status written = WriteCsv(options.csv, DistancesCsv(*distances)); !written.ok()) return written;
  }
  return WriteText(FormatDistances(*distances), std::cout);
}

}  // namespace videodiffcr::training
