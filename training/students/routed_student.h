// The shipped network as a student: its transformer is trained, its routers and retention tables stay as they are. Also
// the dense student, when no rollout is routed.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_ROUTED_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_ROUTED_STUDENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "training/model/training_model.h"
#include "training/students/cache_aware_routers.h"
#include "training/students/student.h"

namespace videodiffcr::training {

class RoutedStudent final : public Student {
 public:
  // `model` outlives the student, with routers when it has tables that are used. `routed_share` of the training
  // rollouts take one of its budgets below 1. Its routers with `cache_aware` see the chunk before; that is not trained
  // here.
  RoutedStudent(TrainingModel& model, double routed_share, CacheAwareRouters cache_aware = {});

  std::string name() const override { return "distill"; }
  std::map<std::string, std::string> settings() const override;
  std::vector<RetentionTenths> budgets() const override;
  std::vector<ParameterGroup> Parameters() override { return {{"", rows_, 0.01}}; }
  std::vector<GroupRate> Rates(const UpdateMoment& moment) const override {
    return {{moment.weight_rate, moment.update}};
  }
  std::vector<WeightRow> AveragedRows() override { return rows_; }
  RetentionTenths BudgetOf(const UpdateMoment& moment, RandomStream& random) const override;
  std::unique_ptr<StudentNetwork> Open(const RolloutPurpose& purpose) const override;
  StudentExport Export() override;

 private:
  TrainingModel& model_;
  const double routed_share_;
  const CacheAwareRouters cache_aware_;
  const std::vector<WeightRow> rows_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_ROUTED_STUDENT_H_
