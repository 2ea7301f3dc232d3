#include "training/run/stage_result.h"

#include <filesystem>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "system/whole_file.h"
#include "training/run/checkpoint.h"

namespace videodiffcr::training {
namespace {

// Makes `to` a model folder: every file of `from` that it lacks is copied, but for *.md.
absl::Status CompleteModelFolder(const std::string& from, const std::string& to) {
  std::error_code error;
  std::filesystem::create_directories(to, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat("output folder ", to, ": ", error.message()));
  for (const auto& file : std::filesystem::directory_iterator(from, error)) {
    const std::filesystem::path target = std::filesystem::path(to) / file.path().filename();
    const bool about_it = target.extension() == ".md";  // what it says of the old weights is not true of the new ones
    if (!file.is_regular_file() || about_it || std::filesystem::exists(target)) continue;
    if (absl::Status copied = CopyWholeFile(file.path(), target); !copied.ok()) return copied;
  }
  return error ? absl::NotFoundError(absl::StrCat(from, ": ", error.message())) : absl::OkStatus();
}

}  // namespace

absl::Status WriteStageResult(const TrainingStage& stage, const StageOptions& options,
                              const std::vector<ResultFile>& files, const std::string& remark,
                              const std::optional<ModelConfig>& config) {
  if (absl::Status made = CompleteModelFolder(options.model, options.output); !made.ok()) return made;
  std::map<std::string, std::string> metadata = stage.settings();
  for (const char* path : {"model", "teacher"}) metadata.erase(path);  // of this machine: they say nothing elsewhere
  metadata["trained"] = absl::StrCat("videodiffcr-train ", stage.name(), remark.empty() ? "" : ": ", remark);
  // What a student of an earlier run left would make the folder one of its kind.
  std::error_code error;
  std::filesystem::remove(options.output + "/student.safetensors", error);
  for (const ResultFile& file : files) {
    const absl::Status written = WriteWeights(options.output + "/" + file.name, file.rows, file.dtype, metadata);
    if (!written.ok()) return written;
  }
  return config ? WriteWholeFile(options.output + "/config.json", FormatModelConfig(*config)) : absl::OkStatus();
}

}  // namespace videodiffcr::training
