// What students for comparison have in common: one target, all weights of the transformer trained from the first update
// on, weights of their own at a rate of their own, a dense context pass (videodiffcr.md section 7).
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_BASELINE_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_BASELINE_STUDENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "training/model/training_model.h"
#include "training/students/student.h"

namespace videodiffcr::training {

inline constexpr char kStudentFile[] = "student.safetensors";

struct BaselineOptions {
  std::string method;               // a name of baselines.h
  double target = 0.5;              // share of the tokens that the denoising passes execute
  double own_learning_rate = 1e-3;  // of what the method adds to the transformer, routers for example
  std::vector<double> deltas = {};  // of "random" and "linear-router": what each step adds; empty: as the model has it
};

class BaselineStudent : public Student {
 public:
  std::string name() const override { return "baseline"; }
  ScoreSource scores() const override { return ScoreSource::kNone; }
  std::map<std::string, std::string> settings() const override;
  // The dense network, and the target by its nearest tenth.
  std::vector<RetentionTenths> budgets() const override { return {kDenseTenths, budget_}; }
  std::vector<ParameterGroup> Parameters() override;
  std::vector<GroupRate> Rates(const UpdateMoment& moment) const override;
  std::vector<WeightRow> AveragedRows() override;
  RetentionTenths BudgetOf(const UpdateMoment&, RandomStream&) const override { return budget_; }
  std::unique_ptr<StudentNetwork> Open(const RolloutPurpose& purpose) const override;
  PassRows RowsOf(RetentionTenths budget) const override;
  // Weights of its own are student.safetensors, whose metadata, this student's settings, name method and target: only
  // evaluation opens such a folder.
  StudentExport Export() override;

  // What the method adds to the transformer and trains; points into the student.
  virtual std::vector<WeightRow> OwnRows() { return {}; }
  // What a folder keeps beside that.
  virtual std::vector<WeightRow> StoredRows() { return {}; }
  // After they were filled from the file `path`: what is wrong with their values.
  virtual absl::Status Opened(const std::string&) { return absl::OkStatus(); }
  // Gives them memory and their first values.
  virtual absl::Status Initialize(uint64_t) { return absl::OkStatus(); }

 protected:
  // `model` outlives the student.
  BaselineStudent(const BaselineOptions& options, TrainingModel& model);

  // At the target.
  virtual std::unique_ptr<StudentNetwork> OpenPruned(const RolloutPurpose& purpose) const = 0;
  // Of one chunk at the target, without the context pass: [block][denoising pass].
  virtual PassRows PrunedRows() const = 0;

  TrainingModel& model() const { return model_; }
  const BaselineOptions& options() const { return options_; }
  RetentionTenths budget() const { return budget_; }
  size_t layers() const { return model_.transformer.weights.blocks.size(); }
  size_t steps() const { return model_.schedule.sigmas.size(); }
  int64_t tokens() const { return model_.config.transformer.tokens_per_chunk(); }

 private:
  const BaselineOptions options_;
  TrainingModel& model_;
  const RetentionTenths budget_;
  const std::vector<WeightRow> rows_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_BASELINE_STUDENT_H_
