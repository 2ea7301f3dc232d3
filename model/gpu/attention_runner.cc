#include "model/gpu/attention_runner.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

namespace videodiffcr::gpu {

AttentionRunner::AttentionRunner(int heads, int head_dim, int processors)
    : heads_(heads), head_dim_(head_dim), processors_(processors) {}

void AttentionRunner::Run(const AttentionRequest& request, kernels::Stream stream) {
  const kernels::AttentionShape tiles = kernels::AttentionTiles(request.element, head_dim_);
  if (tiles.query_tile == 0) return RunWithoutKernel(request);
  const kernels::DeviceAttentionPlan& plan = PlanFor(request, tiles).plan;
  kernels::AttentionCall call;
  call.element = request.element;
  call.heads = heads_;
  call.head_dim = head_dim_;
  call.queries = request.queries.const_data_ptr();
  call.keys = request.keys.const_data_ptr();
  call.values = request.values.const_data_ptr();
  call.out = request.out.mutable_data_ptr();
  call.log_sums = request.log_sums.mutable_data_ptr<float>();
  call.query_rows = request.queries.size(0);
  call.key_rows = request.keys.size(0);
  if (request.last_key_bias.defined()) {
    call.last_key_bias = request.last_key_bias.const_data_ptr<float>();
    call.keys_per_bias = request.keys_per_bias;
  }
  kernels::RunRaggedAttention(call, plan, stream);
  kernels::MergeAttentionParts(call, plan, tiles.query_tile, stream);
}

const AttentionRunner::StoredPlan& AttentionRunner::PlanFor(const AttentionRequest& request,
                                                            const kernels::AttentionShape& tiles) {
  kernels::AttentionShape shape = tiles;
  shape.heads = heads_;
  shape.processors = processors_;
  const int32_t first_extra_row = static_cast<int32_t>(request.out.size(0)) - kExtraRows;
  std::vector<int32_t> key = {shape.query_tile, shape.key_tile, first_extra_row};
  for (const kernels::AttentionSegment& s : request.segments) {
    key.insert(key.end(), {s.query_row, s.query_rows, s.key_row, s.key_rows});
  }
  const auto found = plans_.find(key);
  if (found != plans_.end()) return found->second;
  if (plans_.size() >= kMostPlans) plans_.clear();

  const kernels::AttentionPlan plan = kernels::PlanAttention(request.segments, shape, first_extra_row, kExtraRows);
  const std::vector<int32_t> words = kernels::AttentionPlanWords(plan);
  const at::Tensor host = at::from_blob(const_cast<int32_t*>(words.data()), {static_cast<int64_t>(words.size())},
                                        at::TensorOptions().dtype(at::kInt))
                              .pin_memory();  // a copy
  StoredPlan stored;
  stored.words = host.to(at::kCUDA, at::kInt, /*non_blocking=*/true);
  stored.plan.words = stored.words.const_data_ptr<int32_t>();
  stored.plan.items = static_cast<int>(plan.items.size());
  stored.plan.processors = static_cast<int>(plan.first_item.size()) - 1;
  stored.plan.cut_tiles = static_cast<int>(plan.cut_tiles.size());
  stored.plan.extra_parts = static_cast<int>(plan.extra_part_rows.size());
  return plans_.emplace(std::move(key), std::move(stored)).first->second;
}

// Session by session through LibTorch: for fp32 and for head sizes that no kernel of ours has.
void AttentionRunner::RunWithoutKernel(const AttentionRequest& request) const {
  const auto by_head = [&](const at::Tensor& rows, int64_t first, int64_t count) {  // [1, heads, count, head_dim]
    return rows.narrow(0, first, count).view({1, count, heads_, head_dim_}).transpose(1, 2);
  };
  for (const kernels::AttentionSegment& s : request.segments) {
    std::optional<at::Tensor> mask;
    if (request.last_key_bias.defined()) {
      mask = at::zeros({1, 1, s.query_rows, s.key_rows}, request.queries.options());
      mask->select(-1, s.key_rows - 1).add_(request.last_key_bias[s.key_row / request.keys_per_bias]);
    }
    const at::Tensor result = at::scaled_dot_product_attention(by_head(request.queries, s.query_row, s.query_rows),
                                                               by_head(request.keys, s.key_row, s.key_rows),
                                                               by_head(request.values, s.key_row, s.key_rows), mask);
    request.out.narrow(0, s.query_row, s.query_rows)
        .copy_(result.transpose(1, 2).reshape({s.query_rows, int64_t{heads_} * head_dim_}));
  }
}

}  // namespace videodiffcr::gpu
