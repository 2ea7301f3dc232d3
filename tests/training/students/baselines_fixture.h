// Students of the shipped tiny model, opened, run and written as training does it.
#ifndef VIDEODIFFCR_TESTS_TRAINING_STUDENTS_BASELINES_FIXTURE_H_
#define VIDEODIFFCR_TESTS_TRAINING_STUDENTS_BASELINES_FIXTURE_H_

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/system/temporary_folder.h"
#include "tests/training/tiny_model.h"
#include "training/run/checkpoint.h"
#include "training/students/baselines.h"

namespace videodiffcr::training {

class BaselinesTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    model_ = LoadTiny();
    hidden_ = EncodeCaptions(*model_, {"a large red circle moves right fast"}).value();
    StepRandom random(4, 0, at::kCPU);
    for (int step = 0; step < 4; ++step) noise_.push_back(random.Normal({1, 3, 16, 12, 20}));
  }

  static std::shared_ptr<TrainingModel> LoadTiny() {
    return std::make_shared<TrainingModel>(LoadTrainingModel(TinyTeacher(), at::kCPU).value());
  }
  std::unique_ptr<Student> Make(const std::string& method, double target) const {
    return MakeBaseline({method, target}, TinyTeacher(), 1, *model_).value();
  }
  static RolloutPurpose Serving(const Student& student) {
    return {student.budgets().back(), at::kFloat, {}, {}, StepRandom(1, 0, at::kCPU)};
  }
  // The flow of one pass over noise in the first chunk.
  at::Tensor FirstFlow(const Student& student, const RolloutPurpose& purpose, size_t step, PassKind kind) const {
    const auto network = student.Open(purpose);
    RolloutState state(model_->config.transformer);
    state.text = network->MakeText(hidden_);
    return network->Flow(noise_[0], step, state, kind);
  }
  // x0 of one chunk after all steps.
  at::Tensor Chunk(StudentNetwork& network, const RolloutState& state) const {
    at::Tensor x = noise_[0], x0;
    for (size_t step = 0; step < 4; ++step) {
      x0 = FlowToX0(network.Flow(x, step, state, PassKind::kServed), x, model_->schedule.sigmas[step]);
      if (step < 3) x = AddNoise(x0, noise_[step + 1], model_->schedule.sigmas[step + 1]);
    }
    return x0;
  }
  // As a run of training writes it.
  void WriteFolder(Student& student, const std::string& folder) const {
    for (const auto& file : std::filesystem::directory_iterator(TinyTeacher())) {
      std::filesystem::copy_file(file.path(), folder + "/" + file.path().filename().string(),
                                 std::filesystem::copy_options::overwrite_existing);
    }
    const StudentExport result = student.Export();
    for (const ResultFile& file : result.files) {
      ASSERT_TRUE(WriteWeights(folder + "/" + file.name, file.rows, file.dtype, student.settings()).ok());
    }
    std::ofstream(folder + "/config.json") << FormatModelConfig(*result.config);
  }

  std::shared_ptr<TrainingModel> model_;
  at::Tensor hidden_;
  std::vector<at::Tensor> noise_;
  const TemporaryFolder folder_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TESTS_TRAINING_STUDENTS_BASELINES_FIXTURE_H_
