// Training that is stopped and gone on with.
#ifndef VIDEODIFFCR_TESTS_TRAINING_STAGES_TRAIN_IN_CALLS_H_
#define VIDEODIFFCR_TESTS_TRAINING_STAGES_TRAIN_IN_CALLS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <string>

#include "training/run/training_run.h"

namespace videodiffcr::training {

// Trains to the end in calls of at most `max_steps` (0: in one), each with a new stage of `make()`, as new processes
// do.
template <typename MakeStage>
void TrainInCalls(const MakeStage& make, const std::string& run_folder, int64_t max_steps) {
  TrainingRunOptions options;
  options.run_folder = run_folder;
  options.max_steps = max_steps;
  std::ostringstream progress;
  for (RunEnd end = RunEnd::kPaused; end == RunEnd::kPaused;) {
    const auto stage = make();
    ASSERT_TRUE(stage.ok()) << stage.status();
    const auto result = RunTraining(**stage, options, progress);
    ASSERT_TRUE(result.ok()) << result.status();
    end = *result;
  }
}

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TESTS_TRAINING_STAGES_TRAIN_IN_CALLS_H_
