// The attention of passes against softmax(q Kt / sqrt(d)) V written out, with its gradients.
#include "model/plain/transformer/attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "model/plain/transformer/teacher_forcing_attention.h"
#include "parity/fill_rule.h"
#include "tests/model/kept_bytes.h"

namespace videodiffcr {
namespace {

struct Inputs {
  at::Tensor q, k, v;

  // Leaves of another type with the same values.
  Inputs Leaves(at::ScalarType dtype) const {
    const auto leaf = [dtype](const at::Tensor& x) {
      return x.detach().to(dtype, false, true).set_requires_grad(true);
    };
    return {leaf(q), leaf(k), leaf(v)};
  }
};

// q [B, L, N, d] at keys [B, S, N, d], of which row i sees those where mask [L, S] is 0 and not minus infinity.
at::Tensor PlainAttention(const Inputs& in, const at::Tensor& mask) {
  const at::Tensor q = in.q.transpose(1, 2), k = in.k.transpose(1, 2), v = in.v.transpose(1, 2);
  const at::Tensor scores = at::matmul(q, k.transpose(2, 3)) / std::sqrt(static_cast<double>(in.q.size(-1))) + mask;
  return at::matmul(at::softmax(scores, -1), v).transpose(1, 2).flatten(2);
}

// The largest difference, in parts of the largest value.
double Difference(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kFloat) - expected).abs().max() / expected.abs().max()).item<double>();
}

void ExpectSameWithGradients(const Inputs& values, const at::Tensor& probe,
                             const std::function<at::Tensor(const Inputs&)>& attend,
                             const std::function<at::Tensor(const Inputs&)>& plain) {
  const Inputs reference = values.Leaves(at::kFloat);
  const at::Tensor expected = plain(reference);
  (expected * probe).sum().backward();
  for (const auto& [dtype, tolerance] : {std::pair(at::kFloat, 2e-6), std::pair(at::kBFloat16, 2e-2)}) {
    const Inputs in = values.Leaves(dtype);
    const at::Tensor out = attend(in);
    EXPECT_EQ(out.scalar_type(), dtype);
    (out.to(at::kFloat) * probe).sum().backward();
    EXPECT_LT(Difference(out.detach(), expected.detach()), tolerance) << at::toString(dtype);
    EXPECT_LT(Difference(in.q.grad(), reference.q.grad()), tolerance) << at::toString(dtype);
    EXPECT_LT(Difference(in.k.grad(), reference.k.grad()), tolerance) << at::toString(dtype);
    EXPECT_LT(Difference(in.v.grad(), reference.v.grad()), tolerance) << at::toString(dtype);
  }
}

TEST(AttentionTest, IsTheSoftmaxWrittenOutAlsoItsGradientsForOddSizes) {
  at::set_num_threads(1);
  struct Sizes {
    int64_t batch, queries, keys, heads, width;
  };
  for (const Sizes& size : {Sizes{1, 1, 5, 1, 16}, Sizes{2, 37, 53, 3, 24}, Sizes{1, 130, 77, 2, 64}}) {
    const Inputs values = {FillNoise("q", {size.batch, size.queries, size.heads, size.width}),
                           FillNoise("k", {size.batch, size.keys, size.heads, size.width}),
                           FillNoise("v", {size.batch, size.keys, size.heads, size.width})};
    ExpectSameWithGradients(
        values, FillNoise("probe", {size.batch, size.queries, size.heads * size.width}),
        [](const Inputs& in) {
          return Attend(in.q, {in.k, in.v});
        },
        [](const Inputs& in) { return PlainAttention(in, at::zeros({1})); });
  }
}

// [(2 K - 1) N, (2 K - 1) N]: 0 where a token sees another one, else minus infinity.
at::Tensor TeacherForcingMask(int64_t chunks, int64_t tokens) {
  const at::Tensor mask = at::full({(2 * chunks - 1) * tokens, (2 * chunks - 1) * tokens},
                                   -std::numeric_limits<float>::infinity(), at::TensorOptions(at::kFloat));
  const auto sees = [&](int64_t row, int64_t column) {
    mask.narrow(0, row * tokens, tokens).narrow(1, column * tokens, tokens).zero_();
  };
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    sees(chunk, chunk);
    for (int64_t clean = 0; clean < chunk; ++clean) sees(chunk, chunks + clean);
  }
  for (int64_t chunk = 0; chunk + 1 < chunks; ++chunk) {
    for (int64_t clean = 0; clean <= chunk; ++clean) sees(chunks + chunk, chunks + clean);
  }
  return mask;
}

TEST(AttentionTest, TeacherForcingIsTheMaskWrittenOutAlsoItsGradients) {
  at::set_num_threads(1);
  constexpr int64_t kBatch = 2, kTokens = 13, kHeads = 2, kWidth = 24;
  for (const int64_t chunks : {1, 2, 4}) {
    const int64_t copies = 2 * chunks - 1;
    const std::vector<int64_t> shape = {copies, kBatch, kTokens, kHeads, kWidth};
    // All tokens of a window in a row, as the mask has them, and back.
    const auto in_a_row = [](const at::Tensor& x) { return x.transpose(0, 1).flatten(1, 2); };
    ExpectSameWithGradients(
        {FillNoise("q", shape), FillNoise("k", shape), FillNoise("v", shape)},
        FillNoise("probe", {copies * kBatch, kTokens, kHeads * kWidth}),
        [chunks](const Inputs& in) {
          return AttendWithTeacherForcing(in.q, {in.k, in.v}, chunks);
        },
        [&](const Inputs& in) {
          const at::Tensor out =
              PlainAttention({in_a_row(in.q), in_a_row(in.k), in_a_row(in.v)}, TeacherForcingMask(chunks, kTokens));
          return out.unflatten(1, {copies, kTokens}).transpose(0, 1).flatten(0, 1);
        });
  }
}

// Rows of a pool: [slot, row, head, width], of which two chunks lie behind each other.
TEST(AttentionTest, RowsThatLieBehindEachOtherAreJoinedWithoutACopyUnlessTheyCarryGradients) {
  const at::Tensor pool = FillNoise("pool", {2, 12, 2, 8});
  const KeysValues past = {pool.narrow(1, 0, 5), pool.narrow(1, 0, 5)};
  const KeysValues behind = {pool.narrow(1, 5, 4), pool.narrow(1, 6, 4)};  // its values leave a gap
  const KeysValues both = Concatenate(past, behind);
  EXPECT_TRUE(both.k.is_alias_of(pool));
  EXPECT_TRUE(both.k.equal(pool.narrow(1, 0, 9)));
  EXPECT_FALSE(both.v.is_alias_of(pool));
  EXPECT_TRUE(both.v.equal(at::cat({past.v, behind.v}, 1)));
  const at::Tensor trained = pool.detach().clone().set_requires_grad(true);
  const KeysValues with_gradients = Concatenate({trained.narrow(1, 0, 5), trained.narrow(1, 0, 5)},
                                                {trained.narrow(1, 5, 4), trained.narrow(1, 5, 4)});
  with_gradients.k.sum().backward();
  EXPECT_EQ(trained.grad().sum().item<float>(), 2 * 9 * 2 * 8);
}

TEST(AttentionTest, KeepsNoScoresForBackward) {
  at::set_num_threads(1);
  constexpr int64_t kTokens = 768;
  const Inputs values = {FillNoise("q", {1, kTokens, 2, 16}), FillNoise("k", {1, kTokens, 2, 16}),
                         FillNoise("v", {1, kTokens, 2, 16})};
  const int64_t scores = 2 * kTokens * kTokens * 4;
  const Inputs in = values.Leaves(at::kFloat);
  at::Tensor out;
  EXPECT_LT(KeptBytes([&] { out = Attend(in.q, {in.k, in.v}); }), scores / 8);
  out = at::Tensor();
  EXPECT_GE(KeptBytes([&] { out = PlainAttention(in, at::zeros({1})); }), scores) << "or this test says nothing";
  out = at::Tensor();
  const int64_t third = kTokens / 3;
  const auto windows = [&](const at::Tensor& x) { return x.view({3, 1, third, 2, 16}); };
  EXPECT_LT(KeptBytes([&] {
              out = AttendWithTeacherForcing(windows(in.q), {windows(in.k), windows(in.v)}, 2);
            }),
            scores / 8);
}

}  // namespace
}  // namespace videodiffcr
