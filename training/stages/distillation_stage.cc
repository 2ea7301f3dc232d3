#include "training/stages/distillation_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/rollout/served_passes.h"
#include "training/run/adam_w.h"
#include "training/run/batch_piece.h"
#include "training/run/learning_rate.h"
#include "training/run/part_times.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/run/state_row.h"
#include "training/run/step_ahead.h"
#include "training/run/weight_average.h"
#include "training/stages/rollout_prompts.h"
#include "training/stages/score_matching.h"
#include "training/stages/self_rollout.h"
#include "training/students/routed_student.h"

namespace videodiffcr::training {
namespace {

constexpr double kAverageDecay = 0.98;

// One piece of an iteration's batch.
struct Piece {
  StepRandom random;   // goes on to draw noise
  StepRandom own;      // for what the student draws
  at::Tensor hidden;   // of the captions of chunk 0 of all clips, then of chunk 1, ...
  ScoredClips scored;  // the student's, once made
};

// What one iteration is about.
struct Plan {
  RolloutPlan rollout;
  RetentionTenths budget = kDenseTenths;
  std::vector<Piece> pieces;
};

class DistillationStage final : public TrainingStage {
 public:
  DistillationStage(const StageOptions& stage, const DistillationOptions& options, DistillationInputs inputs,
                    std::unique_ptr<Student> student)
      : stage_(stage),
        options_(options),
        model_(std::move(inputs.model)),
        prompts_(std::move(inputs.prompts)),
        weights_(std::move(inputs.weights)),
        student_(std::move(student)),
        scores_(*model_, std::move(inputs.scores), std::move(inputs.negative_text), options.scores, stage.exchange),
        optimizer_(student_->Parameters(), {0.0, 0.999, 1e-8, 0.01}, stage.exchange),
        average_(student_->AveragedRows(), kAverageDecay),
        times_(stage.timed_steps > 0 && stage.exchange->rank() == 0, model_->device),
        on_kernels_(RollsOutOnKernels()),
        plans_([this](int64_t step) { return MakePlan(step); }) {}

  std::string name() const override { return student_->name(); }
  int64_t total_steps() const override { return stage_.steps; }
  std::map<std::string, std::string> settings() const override {
    std::map<std::string, std::string> settings = stage_.Settings();
    settings.merge(student_->settings());
    settings["critic learning rate"] = absl::StrCat(options_.scores.critic_learning_rate);
    settings["guidance"] = absl::StrCat(options_.scores.guidance);
    settings["critic-only steps"] = absl::StrCat(options_.critic_only_steps);
    settings["warm-up"] = absl::StrCat(options_.warmup_steps);
    settings.merge(prompts_->settings());
    settings.insert(weights_.begin(), weights_.end());
    settings["teacher"] = options_.teacher.empty() ? "the model" : options_.teacher;
    if (!options_.fake_score.empty()) settings["fake score"] = options_.fake_score;
    if (options_.scores.whole_clip) settings["scores see"] = "the whole clip";
    return settings;
  }
  std::vector<StateRow> State() override {
    std::vector<StateRow> rows;
    const auto add = [&rows](const auto& more) { rows.insert(rows.end(), more.begin(), more.end()); };
    for (const ParameterGroup& group : student_->Parameters()) add(WithPrefix("generator", group.rows));
    add(WithPrefix("student", student_->State()));
    add(WithPrefix("generator", optimizer_.State("adam")));
    add(scores_.State());
    add(average_.State("average"));
    return rows;
  }

  // One update of the student and two of the fake score. The loss reported is the fake score's: the student's says
  // little about quality.
  absl::StatusOr<StepResult> Step(int64_t step) override {
    absl::StatusOr<Plan> plan = plans_.Take(step);
    if (!plan.ok()) return plan.status();
    const UpdateMoment moment = MomentOf(step);
    const at::Tensor mask = WindowMask(plan->rollout);
    times_.BeginStep();
    StepResult result;
    result.learning_rate = moment.weight_rate;
    if (moment.update < 0) {
      for (Piece& piece : plan->pieces) MakeClips(*plan, moment, PassKind::kServed, piece);
    } else {
      const absl::StatusOr<double> norm = UpdateStudent(*plan, moment, mask);
      if (!norm.ok()) return norm.status();
      result.gradient_norm = *norm;
    }
    const absl::StatusOr<double> loss = UpdateFakeScore(*plan, step, mask);
    if (!loss.ok()) return loss.status();
    const absl::StatusOr<double> mean = stage_.exchange->Mean(*loss);
    if (!mean.ok()) return mean.status();
    result.loss = *mean;
    SayTimes(step, plan->rollout);
    return result;
  }

  absl::Status Finish() override {
    average_.CopyTo(student_->AveragedRows());
    const StudentExport result = student_->Export();
    return WriteStageResult(*this, stage_, result.files, result.remark, result.config);
  }

 private:
  // Before 0 while only the fake score is updated.
  UpdateMoment MomentOf(int64_t step) const {
    const LearningRateSchedule rate = {stage_.learning_rate, 0.2 * stage_.learning_rate, options_.warmup_steps,
                                       LearningRateFall::kLinear};
    return {step - options_.critic_only_steps, std::max<int64_t>(1, stage_.steps - options_.critic_only_steps),
            rate.At(step, stage_.steps)};
  }

  absl::StatusOr<Plan> MakePlan(int64_t step) const {
    Plan plan;
    StepRandom of_step(stage_.seed, step, model_->device);
    const StepRandom of_student(~stage_.seed, step, model_->device);
    RandomStream& random = of_step.scalars();
    plan.rollout = prompts_->Draw(model_->schedule.sigmas.size(), random);
    plan.budget = student_->BudgetOf(MomentOf(step), random);
    absl::StatusOr<std::vector<at::Tensor>> text = prompts_->Text(step, plan.rollout, random);
    if (!text.ok()) return text.status();
    const std::vector<BatchPiece> pieces = stage_.Pieces();
    for (size_t i = 0; i < pieces.size(); ++i) {
      plan.pieces.push_back({of_step.ForPiece(pieces[i]), of_student.ForPiece(pieces[i]), (*text)[i], {}});
    }
    return plan;
  }

  // Prompts of a file stay the same for a whole clip, which is as long as the window. Says why not where it might be
  // expected.
  bool RollsOutOnKernels() const {
    if (options_.prompts.file.empty() || model_->device.is_cpu()) return false;
    const absl::Status can = CheckServedPasses(model_->config.transformer, model_->device);
    if (!can.ok() && stage_.exchange->rank() == 0) {
      std::cerr << "rollouts run on the plain path, not on the kernels that serve: " << can.message() << "\n";
    }
    return can.ok();
  }

  // X: the student's clips of a piece, as it is now; trained passes carry gradients in the exit step s of the plan.
  void MakeClips(const Plan& plan, const UpdateMoment& moment, PassKind kind, Piece& piece) {
    RolloutPurpose purpose = {plan.budget, model_->compute_type(), moment, {}, piece.own};
    purpose.on_kernels = on_kernels_;
    const at::Tensor hidden = piece.hidden.to(model_->device);
    // What the network's passes need beside what their gradients do is given back with it.
    const at::Tensor clips = SelfRollout(*student_->Open(purpose), model_->config.transformer, model_->schedule,
                                         plan.rollout, kind, hidden, stage_.PieceClips(), piece.random);
    piece.scored = {clips, WindowRows(plan.rollout, hidden)};
    times_.End("rollout");
  }

  // One update of the student, line by line as videodiffcr.md section 5.5 has it; its loops over chunks and steps are
  // SelfRollout(). The loss is a mean over pieces of the batch. Returns the gradient's norm before the clip.
  absl::StatusOr<double> UpdateStudent(Plan& plan, const UpdateMoment& moment, const at::Tensor& mask) {
    for (Piece& piece : plan.pieces) {
      MakeClips(plan, moment, PassKind::kTrained, piece);
      const at::Tensor matching = PartOfLoss(scores_.Loss(piece.scored, mask, piece.random), stage_.accumulate);
      times_.End("scores");
      if (&piece == &plan.pieces.back()) optimizer_.LastBackwardFollows();
      matching.backward();
      piece.scored.clips = piece.scored.clips.detach();
      times_.End("student's backward");
    }
    const at::Tensor budget = student_->Penalty(moment, plan.budget);  // lambda L_ratio
    if (budget.defined()) budget.backward();
    const absl::StatusOr<GradientNorms> norms = optimizer_.UpdateGroups(student_->Rates(moment));  // clip; step
    if (!norms.ok()) return norms.status();
    student_->AfterUpdate(moment, *norms);  // project rho
    average_.Update(moment.update);         // EMA
    times_.End("student's update");
    return norms->all;
  }

  // Twice. Returns this process's part of the mean loss.
  absl::StatusOr<double> UpdateFakeScore(Plan& plan, int64_t step, const at::Tensor& mask) {
    double sum = 0;
    for (int64_t update = 2 * step; update < 2 * step + 2; ++update) {
      double loss = 0;
      for (Piece& piece : plan.pieces) {
        if (&piece == &plan.pieces.back()) scores_.LastBackwardFollows();
        loss += scores_.LearnFakeScore(piece.scored, mask, stage_.accumulate, piece.random);
      }
      times_.End("fake score");
      if (absl::Status updated = scores_.UpdateFakeScore(update); !updated.ok()) return updated;
      times_.End("fake score's update");
      sum += 0.5 * loss;
    }
    return sum;
  }

  void SayTimes(int64_t step, const RolloutPlan& rollout) const {
    if (stage_.timed_steps == 0 || stage_.exchange->rank() != 0) return;
    std::cerr << "\nstep " << step << ", exit step " << rollout.exit_step << ": " << times_.StepLine() << "\n";
    if (step > 0 && step + 1 == stage_.timed_steps) {
      std::cerr << "mean without the first step: " << times_.MeanLine() << "\n";
    }
  }

  // 1 for the chunks of the window that are trained: [B, K]. The same for every piece.
  at::Tensor WindowMask(const RolloutPlan& plan) const {
    at::Tensor mask = at::ones({stage_.PieceClips(), plan.window_chunks}).to(model_->device);
    for (int64_t i = 0; i < plan.window_chunks; ++i) {
      if (!plan.counts(plan.window()[static_cast<size_t>(i)])) mask.select(1, i).zero_();
    }
    return mask;
  }

  // Captions of the window's chunks: [chunks B, ...] -> [K B, ...].
  at::Tensor WindowRows(const RolloutPlan& plan, const at::Tensor& hidden) const {
    if (hidden.size(0) == stage_.PieceClips()) return hidden.repeat({plan.window_chunks, 1, 1});
    std::vector<at::Tensor> rows;
    for (const int64_t chunk : plan.window()) {
      rows.push_back(hidden.narrow(0, chunk * stage_.PieceClips(), stage_.PieceClips()));
    }
    return at::cat(rows);
  }

  const StageOptions stage_;
  const DistillationOptions options_;
  const std::unique_ptr<TrainingModel> model_;
  const std::unique_ptr<RolloutPrompts> prompts_;
  const std::map<std::string, std::string> weights_;
  const std::unique_ptr<Student> student_;
  ScoreMatching scores_;
  AdamW optimizer_;
  WeightAverage average_;
  PartTimes times_;
  const bool on_kernels_;                  // served passes
  StepAhead<absl::StatusOr<Plan>> plans_;  // last: its thread uses the others
};

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> DistillStudent(const StageOptions& stage,
                                                              const DistillationOptions& options,
                                                              const StudentMaker& make) {
  absl::StatusOr<DistillationInputs> inputs = OpenDistillation(stage, options);
  if (!inputs.ok()) return inputs.status();
  absl::StatusOr<std::unique_ptr<Student>> student = make(*inputs->model);
  if (!student.ok()) return student.status();
  return std::make_unique<DistillationStage>(stage, options, *std::move(inputs), *std::move(student));
}

absl::StatusOr<std::unique_ptr<TrainingStage>> MakeDistillationStage(const DistillationStageOptions& options) {
  return DistillStudent(options.stage, options.distillation,
                        [&](TrainingModel& model) -> absl::StatusOr<std::unique_ptr<Student>> {
                          if (options.routed_share > 0) {
                            const absl::Status routers = LoadRouters(options.stage.model, &model);
                            if (!routers.ok()) return routers;
                          }
                          return std::make_unique<RoutedStudent>(model, options.routed_share);
                        });
}

}  // namespace videodiffcr::training
