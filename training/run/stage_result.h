// Where a stage's result goes: a model folder that is served as it is.
#ifndef VIDEODIFFCR_TRAINING_RUN_STAGE_RESULT_H_
#define VIDEODIFFCR_TRAINING_RUN_STAGE_RESULT_H_

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/config/model_config.h"
#include "model/weights/weight_table.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"

namespace videodiffcr::training {

// One file of the result.
struct ResultFile {
  std::string name;
  std::vector<WeightRow> rows;
  at::ScalarType dtype = at::kHalf;
};

// Writes the files into the output folder, which gets what it lacks from the model folder (all but *.md). They carry
// the stage's settings and its name, behind which `remark` may say more. `config` replaces config.json. Errors name the
// file.
absl::Status WriteStageResult(const TrainingStage& stage, const StageOptions& options,
                              const std::vector<ResultFile>& files, const std::string& remark = "",
                              const std::optional<ModelConfig>& config = std::nullopt);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_STAGE_RESULT_H_
