// Attention of a pass: plans by shape, made once and kept on the device, and the kernel that suits the element type.
#ifndef VIDEODIFFCR_MODEL_GPU_ATTENTION_RUNNER_H_
#define VIDEODIFFCR_MODEL_GPU_ATTENTION_RUNNER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <vector>

#include "model/kernels/attention_plan.h"
#include "model/kernels/ragged_attention.h"

namespace videodiffcr::gpu {

// One attention over several sessions. `out` and `log_sums` have the rows of `queries` and then the runner's extra
// rows.
struct AttentionRequest {
  kernels::Element element = kernels::Element::kBfloat16;
  std::vector<kernels::AttentionSegment> segments;
  at::Tensor queries;        // [rows, D]
  at::Tensor keys, values;   // [pool rows, D]
  at::Tensor out;            // [rows + kExtraRows, D]
  at::Tensor log_sums;       // [rows + kExtraRows, heads] fp32
  at::Tensor last_key_bias;  // [slots] fp32 by key_row / keys_per_bias; undefined: none
  int keys_per_bias = 1;
};

// Belongs to one thread.
class AttentionRunner {
 public:
  // The tiles that remain after whole rounds are mostly of the last heads, so their parts crowd in few columns: a chunk
  // of 4680 rows in 12 heads needs some 12,000 rows.
  static constexpr int kExtraRows = 16384;

  AttentionRunner(int heads, int head_dim, int processors);

  // Queues the work on `stream`, which must be the current one.
  void Run(const AttentionRequest& request, kernels::Stream stream);

 private:
  static constexpr size_t kMostPlans = 512;  // then all are forgotten: more shapes than any steady state has

  struct StoredPlan {
    at::Tensor words;
    kernels::DeviceAttentionPlan plan;
  };
  const StoredPlan& PlanFor(const AttentionRequest& request, const kernels::AttentionShape& tiles);
  void RunWithoutKernel(const AttentionRequest& request) const;

  const int heads_, head_dim_, processors_;
  std::map<std::vector<int32_t>, StoredPlan> plans_;
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_ATTENTION_RUNNER_H_
