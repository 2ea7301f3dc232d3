// Attention on a GPU against the plain reference: odd lengths, several sessions, cut tiles.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "model/kernels/ragged_attention.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

// Attention of `segments` with the plan for this many processors, against the plain one, session by session. Kernels
// read keys from the last to the first; `growth` makes the first one that many times as long as the last one.
void CheckAttention(Element element, int heads, int head_dim, const std::vector<AttentionSegment>& segments,
                    int processors, float last_key_bias, float growth = 1) {
  AttentionShape shape = AttentionTiles(element, head_dim);
  shape.heads = heads;
  shape.processors = processors;
  int query_rows = 0, key_rows = 0;
  for (const AttentionSegment& s : segments) {
    query_rows = std::max(query_rows, s.query_row + s.query_rows);
    key_rows = std::max(key_rows, s.key_row + s.key_rows);
  }
  const int width = heads * head_dim, extra = 4096;
  const auto random = [&](int rows) { return at::randn({rows, width}).to(TypeOf(element)); };
  const at::Tensor queries = random(query_rows), values = random(key_rows);
  const at::Tensor lengths = at::linspace(growth, 1.0, key_rows).unsqueeze(1);
  const at::Tensor keys = (at::randn({key_rows, width}) * lengths).to(TypeOf(element));
  const at::Tensor gpu[] = {OnGpu(queries), OnGpu(keys), OnGpu(values)};
  const at::Tensor out = Empty({query_rows + extra, width}, at::kBFloat16),
                   sums = Empty({query_rows + extra, heads}, at::kFloat);
  const AttentionPlan plan = PlanAttention(segments, shape, query_rows, extra);
  const std::vector<int32_t> words = AttentionPlanWords(plan);
  const at::Tensor device_words = OnGpu(at::tensor(words, at::kInt));
  const at::Tensor bias = OnGpu(at::full({1}, last_key_bias));
  const DeviceAttentionPlan device_plan = {device_words.const_data_ptr<int32_t>(), static_cast<int>(plan.items.size()),
                                           processors, static_cast<int>(plan.cut_tiles.size()),
                                           static_cast<int>(plan.extra_part_rows.size())};
  AttentionCall call;
  call.element = element;
  call.heads = heads;
  call.head_dim = head_dim;
  call.queries = gpu[0].const_data_ptr();
  call.keys = gpu[1].const_data_ptr();
  call.values = gpu[2].const_data_ptr();
  call.out = out.mutable_data_ptr();
  call.log_sums = MutableFloats(sums);
  call.query_rows = query_rows;
  call.key_rows = key_rows;
  if (last_key_bias != 0) {
    call.last_key_bias = Floats(bias);
    call.keys_per_bias = 1 << 20;
  }
  ASSERT_TRUE(RunRaggedAttention(call, device_plan, TestStream()));
  MergeAttentionParts(call, device_plan, shape.query_tile, TestStream());
  const at::Tensor host[] = {OnHost(queries), OnHost(keys), OnHost(values)};
  const at::Tensor want = at::empty({query_rows, width}), host_bias = at::full({1}, last_key_bias);
  call.queries = Floats(host[0]);
  call.keys = Floats(host[1]);
  call.values = Floats(host[2]);
  call.out = MutableFloats(want);
  call.log_sums = nullptr;
  if (call.last_key_bias != nullptr) call.last_key_bias = Floats(host_bias);
  PlainRaggedAttention(call, segments);
  for (const AttentionSegment& s : segments) {
    EXPECT_LE(RelativeError(out.narrow(0, s.query_row, s.query_rows), want.narrow(0, s.query_row, s.query_rows)),
              element == Element::kFloat8 ? 8e-2 : 2e-2)
        << s.query_rows << " x " << s.key_rows << ", " << plan.cut_tiles.size() << " tiles cut";
  }
}

TEST(RaggedAttentionTest, AttentionEqualsThePlainOneForEveryTypeAndOddLengths) {
  for (const int head_dim : {64, 128}) {
    CheckAttention(Element::kBfloat16, 2, head_dim, {{0, 1, 0, 1}}, 132, 0);
    CheckAttention(Element::kBfloat16, 3, head_dim, {{0, 130, 0, 389}, {130, 77, 400, 64}, {207, 300, 500, 1000}}, 132,
                   0);
    CheckAttention(Element::kBfloat16, 2, head_dim, {{0, 200, 0, 77}}, 132, 3.5f);  // text, with merged padding
  }
  CheckAttention(Element::kFloat8, 2, 128, {{0, 130, 0, 389}, {130, 77, 400, 64}}, 132, 0);
}

TEST(RaggedAttentionTest, AttentionWithCutTilesEqualsThePlainOne) {
  for (const Element element : {Element::kBfloat16, Element::kFloat8}) {
    CheckAttention(element, 2, 128, {{0, 200, 0, 9001}}, 132, 0);  // four tiles on 132 processors
    CheckAttention(element, 3, 128, {{0, 300, 0, 4003}}, 7, 0);    // nine tiles on seven
  }
}

TEST(RaggedAttentionTest, RowsWhoseLargestLogitGrowsFromTileToTileEqualThePlainOnes) {
  for (const Element element : {Element::kBfloat16, Element::kFloat8}) {
    for (const float growth : {3.0f, 30.0f, 0.03f}) {
      CheckAttention(element, 2, 128, {{0, 150, 0, 3001}}, 1, 0, growth);
      CheckAttention(element, 2, 128, {{0, 150, 0, 3001}}, 132, 0, growth);  // in parts, whose sums are weighted
    }
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
