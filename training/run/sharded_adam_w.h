// AdamW for several processes: each keeps the running means of an even share of the weights, and updates that.
//
// A step's gradients go to their owners while backward() runs (bucket_exchange.h), in the order of the groups and from
// the last row of a group to its first: what the end of a network owns is there first. The weights themselves are held
// whole by all; after an update their new values come from the owners.
#ifndef VIDEODIFFCR_TRAINING_RUN_SHARDED_ADAM_W_H_
#define VIDEODIFFCR_TRAINING_RUN_SHARDED_ADAM_W_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "training/parallel/gradient_exchange.h"
#include "training/run/adam_w_options.h"
#include "training/run/bucket_exchange.h"
#include "training/run/bucket_layout.h"
#include "training/run/fused_adam_w.h"
#include "training/run/state_row.h"

namespace videodiffcr::training {

class ShardedAdamW final : public SharedOutTensors {
 public:
  // All weights are fp32, dense in memory and on one device. `exchange` lives as long as this object.
  ShardedAdamW(const std::vector<ParameterGroup>& groups, const AdamWOptions& options, GradientExchange* exchange);

  // As those of AdamW.
  void LastBackwardFollows() { buckets_.Begin(); }
  absl::StatusOr<GradientNorms> UpdateGroups(const std::vector<GroupRate>& rates);
  std::vector<StateRow> State(const std::string& prefix);

  // Numbers that this rank keeps beside the weights. For tests: a run's memory shows it only among all else.
  int64_t StateElements() const;

  // Tensor 2 i is the mean of row i, 2 i + 1 its square.
  absl::StatusOr<at::Tensor> Gather(size_t index) override;
  void Keep(size_t index, const at::Tensor& whole) override;

 private:
  struct Row {
    WeightRow row;
    size_t group = 0;
    bool late = false;
  };
  struct OwnPiece {
    size_t bucket = 0;
    BucketPiece piece;  // of the bucket's part
  };
  // What all ranks know of the gradients: for each row its squared norm, and whether it has one.
  struct Norms {
    std::vector<double> squares;
    std::vector<bool> present;
  };

  static std::vector<Row> RowsInOrder(const std::vector<ParameterGroup>& groups);
  static std::vector<ExchangedRow> ExchangedRows(const std::vector<Row>& rows);
  static BucketLayout MakeLayout(const std::vector<Row>& rows, const AdamWOptions& options, int64_t ranks);
  std::vector<OwnPiece> PiecesOf(size_t row, int64_t rank) const;
  at::Tensor WeightPiece(const OwnPiece& own) const;
  absl::StatusOr<Norms> NormsOf(const BucketExchange::Gradients& gradients) const;
  GradientNorms Summarise(const Norms& norms, const std::vector<GroupRate>& rates) const;
  absl::Status ShareWeights(size_t bucket);

  const AdamWOptions options_;
  GradientExchange* const exchange_;
  std::vector<double> decays_;  // [group]
  const std::vector<Row> rows_;
  const BucketLayout layout_;
  BucketExchange buckets_;
  std::vector<OwnPiece> own_;
  at::Tensor own_rows_;                      // int64 [own pieces], on the device
  std::vector<at::Tensor> means_, squares_;  // [bucket]: this rank's parts
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_SHARDED_ADAM_W_H_
