// Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019) and clipping
// of the gradient's norm.
#ifndef VIDEODIFFCR_TRAINING_RUN_ADAM_W_H_
#define VIDEODIFFCR_TRAINING_RUN_ADAM_W_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/weights/weight_table.h"
#include "training/parallel/gradient_exchange.h"
#include "training/run/adam_w_options.h"
#include "training/run/fused_adam_w.h"
#include "training/run/sharded_adam_w.h"
#include "training/run/state_row.h"

namespace videodiffcr::training {

class AdamW {
 public:
  // The gradients of all groups are wanted from now on. Their decays count, not that of the options. With several
  // processes each keeps the state of a share of the weights (sharded_adam_w.h). `exchange` lives as long as this
  // object, too.
  AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options,
        GradientExchange* exchange = SingleProcess::Instance());

  // One group of `parameters`, with the decay of the options.
  AdamW(std::vector<WeightRow> parameters, const AdamWOptions& options,
        GradientExchange* exchange = SingleProcess::Instance());

  // The next backward() is the last before an update: with several processes its gradients, but those of late groups,
  // are exchanged while it runs. Without this word they are all exchanged by the update.
  void LastBackwardFollows();

  // One update from the gradients that backward() left at all ranks, which are averaged, and dropped then. `update`
  // counts from 0 and corrects the running means for their start. Returns the gradient's norm before clipping. When
  // that is not finite: InternalError naming a parameter, and nothing is changed. Errors of the exchange as they are.
  absl::StatusOr<double> Update(double learning_rate, int64_t update);

  // The same for groups, a rate for each; one clip for all.
  absl::StatusOr<GradientNorms> UpdateGroups(const std::vector<GroupRate>& rates);

  // The running means, named PREFIX.mean.<parameter> and PREFIX.square.<parameter>, for a checkpoint.
  std::vector<StateRow> State(const std::string& prefix);

 private:
  // The parameters of a group that have a gradient.
  struct Lists {
    std::vector<size_t> rows;  // places in parameters_
    FusedRows fused;
  };
  std::vector<Lists> RowsWithGradient() const;
  absl::StatusOr<GradientNorms> NormsOf(const std::vector<Lists>& groups, const std::vector<GroupRate>& rates) const;

  struct Group {
    size_t begin, end;  // places in parameters_
    double weight_decay;
  };

  std::vector<WeightRow> parameters_;  // group by group
  std::vector<Group> groups_;
  const AdamWOptions options_;
  std::unique_ptr<ShardedAdamW> sharded_;    // does all of it where there are several processes
  std::vector<at::Tensor> means_, squares_;  // else: one per parameter, its shape
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_ADAM_W_H_
