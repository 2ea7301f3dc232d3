// Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019) and clipping
// of the gradient's norm.
#ifndef VIDEODIFFCR_TRAINING_RUN_ADAM_W_H_
#define VIDEODIFFCR_TRAINING_RUN_ADAM_W_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/weights/weight_table.h"
#include "training/parallel/gradient_exchange.h"

namespace videodiffcr::training {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;
  double clip_norm = 1;  // of the whole gradient
};

// Weights with a rate and a decay of their own.
struct ParameterGroup {
  std::string name;
  std::vector<WeightRow> rows;  // whose tensors live as long as what holds the group
  double weight_decay = 0;
};

// What an update does to a group.
struct GroupRate {
  double learning_rate = 0;  // 0: it rests, its gradients are dropped and do not count in the clip
  int64_t update = 0;        // how many updates it has had: corrects its running means for their start
};

// Of gradients, before clipping.
struct GradientNorms {
  double all = 0;              // of all groups but those that rest
  std::vector<double> groups;  // of each, also of those that rest
};

class AdamW {
 public:
  // The gradients of all groups are wanted from now on. Their decays count, not that of the options.
  // `exchange` lives as long as this object, too.
  AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options,
        GradientExchange* exchange = SingleProcess::Instance());

  // One group of `parameters`, with the decay of the options.
  AdamW(std::vector<WeightRow> parameters, const AdamWOptions& options,
        GradientExchange* exchange = SingleProcess::Instance());

  // One update from the gradients that backward() left at all ranks, which are averaged, and dropped then. `update`
  // counts from 0 and corrects the running means for their start. Returns the gradient's norm before clipping. When
  // that is not finite: InternalError naming a parameter, and nothing is changed. Errors of the exchange as they are.
  absl::StatusOr<double> Update(double learning_rate, int64_t update);

  // The same for groups, a rate for each; one clip for all.
  absl::StatusOr<GradientNorms> UpdateGroups(const std::vector<GroupRate>& rates);

  // The running means, named PREFIX.mean.<parameter> and PREFIX.square.<parameter>, for a checkpoint.
  std::vector<WeightRow> State(const std::string& prefix);

 private:
  // The parameters of a group that have a gradient, as the lists that fused operators take.
  struct Lists {
    std::vector<size_t> rows;  // places in parameters_
    std::vector<at::Tensor> weights, gradients, means, squares;
  };
  std::vector<Lists> RowsWithGradient() const;
  absl::StatusOr<GradientNorms> NormsOf(const std::vector<Lists>& groups, const std::vector<GroupRate>& rates) const;
  void Apply(const Lists& lists, const GroupRate& rate, double weight_decay) const;

  struct Group {
    size_t begin, end;  // places in parameters_
    double weight_decay;
  };

  std::vector<WeightRow> parameters_;  // group by group
  std::vector<Group> groups_;
  const AdamWOptions options_;
  GradientExchange* const exchange_;
  std::vector<at::Tensor> means_, squares_;  // one per parameter, its shape
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_ADAM_W_H_
