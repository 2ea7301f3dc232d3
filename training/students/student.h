// What distribution matching distils: a transformer that takes tokens out of its passes in some way, or in none. One
// interface for the shipped network, for VideoDiffCR and for what it is compared with; training rolls it out and
// updates it (training/stages/distillation_stage.h), evaluation makes clips with it.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_STUDENT_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/api/model_info.h"
#include "model/config/model_config.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "model/plain/transformer/diffusion_transformer.h"
#include "training/run/adam_w.h"
#include "training/run/random_tensor.h"
#include "training/run/stage_result.h"
#include "training/scenes/random_stream.h"
#include "training/students/token_memory.h"

namespace videodiffcr::training {

// One of the student's updates.
struct UpdateMoment {
  int64_t update = 0;      // from 0
  int64_t updates = 1;     // in all
  double weight_rate = 0;  // what the schedule says for the weights' learning rate

  double progress() const { return static_cast<double>(update) / static_cast<double>(updates); }
};

// What a rollout is for.
struct RolloutPurpose {
  RetentionTenths budget = kDenseTenths;
  at::ScalarType dtype = at::kFloat;   // of the passes
  std::optional<UpdateMoment> moment;  // of training; nothing: as it will be served
  TokenScorer scorer;                  // ranks tokens in place of the student's own way; for comparison
  // For what a student draws while it is trained, apart from the rollout's noise, which is the same for all students.
  std::optional<StepRandom> random = std::nullopt;
  TokenMemoryOptions memory = {};  // of the shipped network's ranking; others rank without
  // Served passes run on the kernels that serve, where they can make the student's: of clips that fit in the window,
  // whose prompts stay, of a model that CheckServedPasses() is fine with.
  bool on_kernels = false;
};

// What decides which tokens a student keeps.
enum class ScoreSource {
  kOwn,     // its own scores, or those of RolloutPurpose::scorer
  kRandom,  // scores drawn for every clip, pass and block: when clips are made RolloutPurpose::scorer has to
  kNone,    // no scores: RolloutPurpose::scorer is not used
};

// Rows that each block processes in each pass of a chunk, the context pass last: [block][pass].
using PassRows = std::vector<std::vector<int64_t>>;

// How a pass is made.
enum class PassKind {
  kServed,   // as serving does
  kTrained,  // as gradients need it: where a choice is learned, the student may mix what it chooses from
};

// A student's network during one rollout. Latents are [B, F, C, h, w] in fp32; a pass is at the place where `state` is.
class StudentNetwork {
 public:
  virtual ~StudentNetwork() = default;

  // hidden [B, text_len, text_dim] -> the prompts' keys.
  virtual TextKeys MakeText(const at::Tensor& hidden) = 0;
  // Denoising step `step`: an estimate of noise - x0, fp32.
  virtual at::Tensor Flow(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind kind) = 0;
  // The keys that a finished chunk leaves in the cache.
  virtual std::vector<KeysValues> ContextKeys(const at::Tensor& latents, const RolloutState& state) = 0;
};

// What goes into a model folder. Rows point into the student.
struct StudentExport {
  std::vector<ResultFile> files;
  std::optional<ModelConfig> config;  // nothing: the folder's own stays
  std::string remark;
};

class Student {
 public:
  virtual ~Student() = default;

  // Of the command that trains it.
  virtual std::string name() const = 0;
  virtual std::map<std::string, std::string> settings() const = 0;
  // That rollouts can have, dense first.
  virtual std::vector<RetentionTenths> budgets() const = 0;
  virtual ScoreSource scores() const { return ScoreSource::kOwn; }
  // What a chunk costs at a budget. Empty: as the model's retention table of that budget says.
  virtual PassRows RowsOf(RetentionTenths) const { return {}; }

  // What is trained; the tensors live as long as the student.
  virtual std::vector<ParameterGroup> Parameters() = 0;
  // A rate for each group.
  virtual std::vector<GroupRate> Rates(const UpdateMoment& moment) const = 0;
  // Of the parameters, those that are exported as a moving average.
  virtual std::vector<WeightRow> AveragedRows() = 0;
  // What updates change besides parameters, for a checkpoint.
  virtual std::vector<WeightRow> State() { return {}; }

  // The budget of a training rollout. May be called beside everything else.
  virtual RetentionTenths BudgetOf(const UpdateMoment& moment, RandomStream& random) const = 0;
  // The network as it is now; gradients of its trained passes reach the parameters. The student outlives it.
  virtual std::unique_ptr<StudentNetwork> Open(const RolloutPurpose& purpose) const = 0;

  // What is added to the matching loss of a rollout at a budget; undefined: nothing. Parameters that it has gradients
  // for are in late groups.
  virtual at::Tensor Penalty(const UpdateMoment&, RetentionTenths) const { return {}; }
  // After an update of the parameters, whose gradients had these norms.
  virtual void AfterUpdate(const UpdateMoment&, const GradientNorms&) {}

  // The parameters as they are, ready to be served.
  virtual StudentExport Export() = 0;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_STUDENT_H_
