#include "training/stages/distillation_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "training/model/recomputed_block.h"
#include "training/run/adam_w.h"
#include "training/run/learning_rate.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/run/state_row.h"
#include "training/run/step_ahead.h"
#include "training/run/weight_average.h"
#include "training/stages/self_rollout.h"
#include "training/stages/step_scenes.h"
#include "training/students/routed_student.h"

namespace videodiffcr::training {
namespace {

constexpr double kPromptSwitch = 0.2, kAverageDecay = 0.98;

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
  DistillationStage(const StageOptions& stage, const DistillationOptions& options, std::unique_ptr<TrainingModel> model,
                    std::unique_ptr<Student> student, const DiffusionTransformer& teacher)
      : stage_(stage),
        options_(options),
        model_(std::move(model)),
        student_(std::move(student)),
        scores_(*model_, teacher, options.scores, stage.exchange),
        optimizer_(student_->Parameters(), {0.0, 0.999, 1e-8, 0.01}, stage.exchange),
        average_(student_->AveragedRows(), kAverageDecay),
        text_(TextEncoderOnCpu(*model_)),
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
    if (options_.unknown_words > 0) settings["unknown words"] = absl::StrCat(options_.unknown_words);
    settings["teacher"] = options_.teacher.empty() ? "the model" : options_.teacher;
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

  // One iteration, as videodiffcr.md section 5.5 has it. The loss reported is the fake score's: the student's says
  // little about quality.
  absl::StatusOr<StepResult> Step(int64_t step) override {
    absl::StatusOr<Plan> plan = plans_.Take(step);
    if (!plan.ok()) return plan.status();
    const UpdateMoment moment = MomentOf(step);
    const at::Tensor mask = WindowMask(plan->rollout);
    StepResult result;
    result.learning_rate = moment.weight_rate;
    for (Piece& piece : plan->pieces) {
      if (moment.update >= 0 && &piece == &plan->pieces.back()) optimizer_.LastBackwardFollows();
      if (absl::Status made = MakeClips(*plan, moment, mask, piece); !made.ok()) return made;
    }
    if (moment.update >= 0) {
      const at::Tensor penalty = student_->Penalty(moment, plan->budget);
      if (penalty.defined()) penalty.backward();
      const absl::StatusOr<GradientNorms> norms = optimizer_.UpdateGroups(student_->Rates(moment));
      if (!norms.ok()) return norms.status();
      result.gradient_norm = norms->all;
      student_->AfterUpdate(moment, *norms);
      average_.Update(moment.update);
    }
    for (int64_t update = 2 * step; update < 2 * step + 2; ++update) {
      double loss = 0;
      for (Piece& piece : plan->pieces) {
        if (&piece == &plan->pieces.back()) scores_.LastBackwardFollows();
        loss += scores_.LearnFakeScore(piece.scored, mask, stage_.accumulate, piece.random);
      }
      if (absl::Status updated = scores_.UpdateFakeScore(update); !updated.ok()) return updated;
      result.loss += 0.5 * loss;
    }
    const absl::StatusOr<double> mean = stage_.exchange->Mean(result.loss);
    if (!mean.ok()) return mean.status();
    result.loss = *mean;
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
    plan.rollout = DrawRolloutPlan(model_->schedule.sigmas.size(), random);
    plan.budget = student_->BudgetOf(MomentOf(step), random);
    std::vector<int64_t> all;
    for (int64_t chunk = 0; chunk < plan.rollout.chunks; ++chunk) all.push_back(chunk);
    SceneOptions scenes;
    scenes.prompt_switch = kPromptSwitch;
    std::vector<std::vector<std::string>> captions;
    for (const Scene& scene : ScenesOfStep(stage_, step, scenes)) {
      captions.push_back(CaptionsOfChunks(scene, all, {.replaced_caption = options_.unknown_words}, random));
    }
    const c10::NoGradGuard no_gradients;
    for (const BatchPiece& piece : stage_.Pieces()) {
      absl::StatusOr<at::Tensor> hidden = EncodeCaptions(*model_, text_, ChunkByChunk(piece.Of(captions)));
      if (!hidden.ok()) return hidden.status();
      plan.pieces.push_back({of_step.ForPiece(piece), of_student.ForPiece(piece), *std::move(hidden), {}});
    }
    return plan;
  }

  // The student's clips of a piece; once the student is trained, with the piece's part of its matching gradient.
  absl::Status MakeClips(const Plan& plan, const UpdateMoment& moment, const at::Tensor& mask, Piece& piece) {
    const PassKind kind = moment.update < 0 ? PassKind::kServed : PassKind::kTrained;
    const at::Tensor hidden = piece.hidden.to(model_->device);
    const auto network = student_->Open({plan.budget, model_->compute_type(), moment, {}, piece.own});
    piece.scored = {SelfRollout(*network, model_->config.transformer, model_->schedule, plan.rollout, kind, hidden,
                                stage_.PieceClips(), piece.random),
                    WindowRows(plan.rollout, hidden)};
    if (kind == PassKind::kServed) return absl::OkStatus();
    const absl::StatusOr<at::Tensor> loss = scores_.Loss(piece.scored, mask, piece.random);
    if (!loss.ok()) return loss.status();
    (stage_.accumulate == 1 ? *loss : *loss / static_cast<double>(stage_.accumulate)).backward();
    piece.scored.clips = piece.scored.clips.detach();
    return absl::OkStatus();
  }

  // 1 for the chunks of the window that are trained: [B, 4]. The same for every piece.
  at::Tensor WindowMask(const RolloutPlan& plan) const {
    at::Tensor mask = at::ones({stage_.PieceClips(), kWindowChunks}).to(model_->device);
    for (size_t i = 0; i < kWindowChunks; ++i) {
      if (!plan.counts(plan.window()[i])) mask.select(1, static_cast<int64_t>(i)).zero_();
    }
    return mask;
  }

  // Captions of the window's chunks: [chunks B, ...] -> [4 B, ...].
  at::Tensor WindowRows(const RolloutPlan& plan, const at::Tensor& hidden) const {
    std::vector<at::Tensor> rows;
    for (const int64_t chunk : plan.window()) {
      rows.push_back(hidden.narrow(0, chunk * stage_.PieceClips(), stage_.PieceClips()));
    }
    return at::cat(rows);
  }

  const StageOptions stage_;
  const DistillationOptions options_;
  const std::unique_ptr<TrainingModel> model_;
  const std::unique_ptr<Student> student_;
  ScoreMatching scores_;
  AdamW optimizer_;
  WeightAverage average_;
  const TextEncoderWeights text_;
  StepAhead<absl::StatusOr<Plan>> plans_;  // last: its thread uses the others
};

// The transformer of `folder`, or the model's own. What it shares with the model, scores copy.
absl::StatusOr<DiffusionTransformer> LoadTeacher(const std::string& folder, const TrainingModel& model,
                                                 const std::string& model_folder) {
  if (folder.empty()) return model.transformer;
  absl::StatusOr<TrainingModel> teacher = LoadTrainingModel(folder, model.device);
  if (!teacher.ok()) return teacher.status();
  if (absl::Status relative = CheckWindowRelative(*teacher, folder); !relative.ok()) return relative;
  const TransformerConfig &ours = model.config.transformer, &theirs = teacher->config.transformer;
  if (ours.dim == theirs.dim && ours.num_layers == theirs.num_layers && ours.in_dim == theirs.in_dim &&
      ours.text_dim == theirs.text_dim && ours.text_len == theirs.text_len &&
      ours.chunk_frames == theirs.chunk_frames && ours.tokens_per_frame() == theirs.tokens_per_frame()) {
    return std::move(teacher->transformer);
  }
  return absl::FailedPreconditionError(
      absl::StrCat("--teacher ", folder, ": its transformer has other sizes than ", model_folder, "'s"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> DistillStudent(const StageOptions& stage,
                                                              const DistillationOptions& options,
                                                              const StudentMaker& make) {
  absl::StatusOr<TrainingModel> loaded = LoadTrainingModel(stage);
  if (!loaded.ok()) return loaded.status();
  if (absl::Status relative = CheckWindowRelative(*loaded, stage.model); !relative.ok()) return relative;
  auto model = std::make_unique<TrainingModel>(*std::move(loaded));
  ChooseRecompute(stage, kWindowChunks, model.get());
  const absl::StatusOr<DiffusionTransformer> teacher = LoadTeacher(options.teacher, *model, stage.model);
  if (!teacher.ok()) return teacher.status();
  absl::StatusOr<std::unique_ptr<Student>> student = make(*model);
  if (!student.ok()) return student.status();
  return std::make_unique<DistillationStage>(stage, options, std::move(model), *std::move(student), *teacher);
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
