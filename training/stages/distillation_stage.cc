#include "training/stages/distillation_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/rollout/served_passes.h"
#include "system/guarded.h"
#include "system/wrong_usage.h"
#include "training/model/block_feed.h"
#include "training/model/network_copy.h"
#include "training/model/recomputed_block.h"
#include "training/run/adam_w.h"
#include "training/run/learning_rate.h"
#include "training/run/part_times.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/run/state_row.h"
#include "training/run/step_ahead.h"
#include "training/run/weight_average.h"
#include "training/stages/new_retention.h"
#include "training/stages/rollout_prompts.h"
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

// What is distilled, from what, on what.
struct DistillationParts {
  std::unique_ptr<TrainingModel> model;
  std::unique_ptr<RolloutPrompts> prompts;
  at::Tensor negative_text;  // on the model's device
  ScoreNetworks scores;
  std::unique_ptr<Student> student;
};

class DistillationStage final : public TrainingStage {
 public:
  DistillationStage(const StageOptions& stage, const DistillationOptions& options, DistillationParts parts)
      : stage_(stage),
        options_(options),
        model_(std::move(parts.model)),
        prompts_(std::move(parts.prompts)),
        student_(std::move(parts.student)),
        scores_(*model_, std::move(parts.scores), std::move(parts.negative_text), options.scores, stage.exchange),
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

  // One iteration, as videodiffcr.md section 5.5 has it. The loss reported is the fake score's: the student's says
  // little about quality.
  absl::StatusOr<StepResult> Step(int64_t step) override {
    absl::StatusOr<Plan> plan = plans_.Take(step);
    if (!plan.ok()) return plan.status();
    const UpdateMoment moment = MomentOf(step);
    const at::Tensor mask = WindowMask(plan->rollout);
    times_.BeginStep();
    StepResult result;
    result.learning_rate = moment.weight_rate;
    for (Piece& piece : plan->pieces) {
      if (moment.update >= 0 && &piece == &plan->pieces.back()) optimizer_.LastBackwardFollows();
      MakeClips(*plan, moment, mask, piece);
    }
    if (moment.update >= 0) {
      const absl::StatusOr<double> norm = UpdateStudent(*plan, moment);
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

  // A rollout of the student as it is now. What its passes need beside what their gradients do is given back.
  at::Tensor RollOut(const Plan& plan, const UpdateMoment& moment, PassKind kind, const at::Tensor& hidden,
                     Piece& piece) const {
    RolloutPurpose purpose = {plan.budget, model_->compute_type(), moment, {}, piece.own};
    purpose.on_kernels = on_kernels_;
    return SelfRollout(*student_->Open(purpose), model_->config.transformer, model_->schedule, plan.rollout, kind,
                       hidden, stage_.PieceClips(), piece.random);
  }

  // The student's clips of a piece; once the student is trained, with the piece's part of its matching gradient.
  void MakeClips(const Plan& plan, const UpdateMoment& moment, const at::Tensor& mask, Piece& piece) {
    const PassKind kind = moment.update < 0 ? PassKind::kServed : PassKind::kTrained;
    const at::Tensor hidden = piece.hidden.to(model_->device);
    piece.scored = {RollOut(plan, moment, kind, hidden, piece), WindowRows(plan.rollout, hidden)};
    times_.End("rollout");
    if (kind == PassKind::kServed) return;
    const at::Tensor loss = scores_.Loss(piece.scored, mask, piece.random);
    times_.End("scores");
    (stage_.accumulate == 1 ? loss : loss / static_cast<double>(stage_.accumulate)).backward();
    piece.scored.clips = piece.scored.clips.detach();
    times_.End("student's backward");
  }

  // Returns the gradient's norm.
  absl::StatusOr<double> UpdateStudent(const Plan& plan, const UpdateMoment& moment) {
    const at::Tensor penalty = student_->Penalty(moment, plan.budget);
    if (penalty.defined()) penalty.backward();
    const absl::StatusOr<GradientNorms> norms = optimizer_.UpdateGroups(student_->Rates(moment));
    if (!norms.ok()) return norms.status();
    student_->AfterUpdate(moment, *norms);
    average_.Update(moment.update);
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
  const std::unique_ptr<Student> student_;
  ScoreMatching scores_;
  AdamW optimizer_;
  WeightAverage average_;
  PartTimes times_;
  const bool on_kernels_;                  // served passes
  StepAhead<absl::StatusOr<Plan>> plans_;  // last: its thread uses the others
};

// Whether the transformer of the folder that a flag names can judge clips of the model.
absl::Status CheckScore(const std::string& flag, const std::string& folder, const TransformerConfig& ours,
                        const DistillationOptions& options) {
  if (folder.empty()) return absl::OkStatus();
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(folder);
  if (!config.ok()) return absl::Status(config.status().code(), absl::StrCat(flag, ": ", config.status().message()));
  const TransformerConfig& theirs = config->transformer;
  const bool chunks_matter = !options.scores.whole_clip;
  const std::vector<std::tuple<const char*, int64_t, int64_t>> sizes = {
      {"in_dim", theirs.in_dim, ours.in_dim},
      {"height of the latents", theirs.latent_height, ours.latent_height},
      {"width of the latents", theirs.latent_width, ours.latent_width},
      {"text_dim", theirs.text_dim, ours.text_dim},
      {"text_len", theirs.text_len, ours.text_len},
      {"chunk_frames", chunks_matter ? theirs.chunk_frames : 0, chunks_matter ? ours.chunk_frames : 0}};
  for (const auto& [name, its, of_model] : sizes) {
    if (its == of_model) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(flag, " ", folder, "/config.json: ", name, " is ", its, ", the model's ", of_model));
  }
  return options.prompts.file.empty() ? CheckWindowRelative(theirs, folder) : absl::OkStatus();
}

absl::Status CheckScores(const DistillationOptions& options, const TransformerConfig& ours) {
  const absl::Status teacher = CheckScore("--teacher", options.teacher, ours, options);
  return teacher.ok() ? CheckScore("--fake-score", options.fake_score, ours, options) : teacher;
}

// By default both are the model's own network, as it is now. A teacher that is to stay on the host may be there
// already.
absl::StatusOr<ScoreNetworks> ReadScores(const DistillationOptions& options, const TrainingModel& model) {
  if (options.teacher.empty() && options.fake_score.empty()) return ScoresLike(model, model.transformer);
  const auto load = [&](const char* flag, const std::string& folder, at::Device device,
                        at::ScalarType dtype) -> absl::StatusOr<DiffusionTransformer> {
    if (folder.empty()) return CastTransformer(CloneTransformer(model.transformer), dtype);
    absl::StatusOr<DiffusionTransformer> score = LoadTransformer(folder, device, dtype);
    if (score.ok()) return score;
    return absl::Status(score.status().code(), absl::StrCat(flag, ": ", score.status().message()));
  };
  absl::StatusOr<DiffusionTransformer> real =
      load("--teacher", options.teacher, options.teacher_on_host ? at::Device(at::kCPU) : model.device,
           model.compute_type());
  if (!real.ok()) return real.status();
  absl::StatusOr<DiffusionTransformer> fake = options.fake_score.empty()
                                                  ? load("--teacher", options.teacher, model.device, at::kFloat)
                                                  : load("--fake-score", options.fake_score, model.device, at::kFloat);
  if (!fake.ok()) return fake.status();
  return ScoreNetworks{*std::move(real), *std::move(fake)};
}

absl::StatusOr<ScoreNetworks> LoadScores(const DistillationOptions& options, const TrainingModel& model) {
  absl::StatusOr<ScoreNetworks> scores = ReadScores(options, model);
  if (!scores.ok() || !options.teacher_on_host) return scores;
  const absl::Status moved = Guarded("--teacher-blocks host", [&] {
    MoveBlocksToHost(model.device, &scores->real);
    return absl::OkStatus();
  });
  if (!moved.ok()) return moved;
  return scores;
}

// A rollout is as long as the window: nothing goes out of it, so that all rotary positions will do.
absl::Status CheckWholeWindow(const TransformerConfig& config, const std::string& folder) {
  if (config.window_frames % config.chunk_frames == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(folder, "/config.json: window_frames ", config.window_frames,
                                                    ": training needs a multiple of chunk_frames, ",
                                                    config.chunk_frames));
}

// Model and captions of scenes.
absl::Status OpenScenes(const StageOptions& stage, const DistillationOptions& options, DistillationParts* parts) {
  if (options.scores.whole_clip) {
    return WrongUsageError("--score-attention bidirectional: needs --prompts; scenes are longer than what it sees");
  }
  if (!options.negative_prompt.empty()) {
    return WrongUsageError("--negative-prompt: needs --prompts; scenes are led away from no words");
  }
  absl::StatusOr<TrainingModel> model = LoadTrainingModel(stage);
  if (!model.ok()) return model.status();
  if (absl::Status relative = CheckWindowRelative(model->config.transformer, stage.model); !relative.ok()) {
    return relative;
  }
  parts->model = std::make_unique<TrainingModel>(*std::move(model));
  if (absl::Status fit = CheckScores(options, parts->model->config.transformer); !fit.ok()) return fit;
  parts->prompts = MakeScenePrompts(stage, *parts->model, options.scenes);
  return absl::OkStatus();
}

// Model and prompts of a file, these first: the text encoder may need the memory.
absl::Status OpenFile(const StageOptions& stage, const DistillationOptions& options, DistillationParts* parts) {
  if (options.scenes.unknown_words > 0) return WrongUsageError("--unknown-words: of scenes; goes without --prompts");
  if (options.scenes.most_chunks != kMostChunks) {
    return WrongUsageError("--most-chunks: of scenes; rollouts of --prompts are as long as the model's window");
  }
  std::ostream silent(nullptr);
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(stage.model);
  if (!config.ok()) return config.status();
  if (absl::Status whole = CheckWholeWindow(config->transformer, stage.model); !whole.ok()) return whole;
  if (absl::Status fit = CheckScores(options, config->transformer); !fit.ok()) return fit;
  absl::StatusOr<std::unique_ptr<RolloutPrompts>> prompts =
      MakeFilePrompts(stage, options.prompts, options.negative_prompt, options.run_folder + "/text", *config,
                      stage.exchange->rank() == 0 ? std::cerr : silent);
  if (!prompts.ok()) return prompts.status();
  parts->prompts = *std::move(prompts);
  absl::StatusOr<TrainingModel> model = LoadRolloutModel(stage);
  if (!model.ok()) return model.status();
  parts->model = std::make_unique<TrainingModel>(*std::move(model));
  RetentionConfig& retention = parts->model->config.retention;
  if (retention.file.empty()) retention = NewRetention(parts->model->config);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainingStage>> DistillStudent(const StageOptions& stage,
                                                              const DistillationOptions& options,
                                                              const StudentMaker& make) {
  DistillationParts parts;
  const absl::Status opened =
      options.prompts.file.empty() ? OpenScenes(stage, options, &parts) : OpenFile(stage, options, &parts);
  if (!opened.ok()) return opened;
  TrainingModel& model = *parts.model;
  const absl::StatusOr<at::Tensor> negative_text = parts.prompts->NegativeText();
  if (!negative_text.ok()) return negative_text.status();
  parts.negative_text = negative_text->to(model.device);
  const bool scenes = options.prompts.file.empty();
  ChooseRecompute(stage, scenes ? kWindowChunks : WindowChunks(model.config.transformer), &model);
  absl::StatusOr<ScoreNetworks> scores = LoadScores(options, model);
  if (!scores.ok()) return scores.status();
  parts.scores = *std::move(scores);
  absl::StatusOr<std::unique_ptr<Student>> student = make(model);
  if (!student.ok()) return student.status();
  parts.student = *std::move(student);
  return std::make_unique<DistillationStage>(stage, options, std::move(parts));
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
