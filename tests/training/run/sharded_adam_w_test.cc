// Several processes that share out the optimiser's state, against one that keeps all of it.
#include "training/run/sharded_adam_w.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tests/training/run/ranks.h"
#include "training/run/adam_w.h"
#include "training/run/checkpoint.h"

namespace videodiffcr::training {
namespace {

using ::testing::HasSubstr;

constexpr AdamWOptions kOptions = {
    .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.01, .clip_norm = 2, .bucket_bytes = 64};

// Weights of odd sizes, one of them with the order in memory that convolutions like.
struct Weights {
  at::Tensor row = at::arange(37, at::kFloat) * 0.1, scalar = at::full({}, 1.5),
             kernel = (at::arange(2 * 3 * 2 * 2, at::kFloat) * 0.05)
                          .view({2, 3, 2, 2})
                          .contiguous(at::MemoryFormat::ChannelsLast),
             unused = at::full({5}, 2.0);

  std::vector<WeightRow> Rows() {
    return {{"row", {37}, &row}, {"scalar", {}, &scalar}, {"kernel", {2, 3, 2, 2}, &kernel}, {"unused", {5}, &unused}};
  }
  std::vector<StateRow> State(AdamW& optimizer) {
    const std::vector<WeightRow> rows = Rows();
    std::vector<StateRow> state(rows.begin(), rows.end());
    for (const StateRow& of_optimizer : optimizer.State("adam")) state.push_back(of_optimizer);
    return state;
  }

  // The gradient of step `step` at a rank: the mean over ranks does not depend on how many they are.
  void Backward(int64_t step, int64_t rank, int64_t world, double share = 1) {
    const double own = 1 + 0.5 * (static_cast<double>(rank) - 0.5 * static_cast<double>(world - 1));
    const double factor = share * own * (1 + 0.3 * static_cast<double>(step));
    const at::Tensor slope = at::arange(37, at::kFloat) * 0.02 - 0.3;
    const at::Tensor kernel_slope = (at::arange(24, at::kFloat) * 0.07 - 1).view({2, 3, 2, 2});
    ((row * slope).sum() * factor + scalar * (0.4 * factor) + (kernel * kernel_slope).sum() * factor).backward();
  }

  void ExpectNear(const Weights& other) const {
    EXPECT_TRUE(at::allclose(row, other.row, 0, 1e-6)) << row - other.row;
    EXPECT_TRUE(at::allclose(scalar, other.scalar, 0, 1e-6));
    EXPECT_TRUE(at::allclose(kernel, other.kernel, 0, 1e-6)) << kernel - other.kernel;
    EXPECT_TRUE(at::equal(unused, other.unused));
  }
};

// Steps `first` to `end` of a rank.
void Train(Weights& weights, AdamW& optimizer, int64_t first, int64_t end, const GradientExchange& exchange) {
  for (int64_t step = first; step < end; ++step) {
    optimizer.LastBackwardFollows();
    weights.Backward(step, exchange.rank(), exchange.world());
    const auto norm = optimizer.Update(0.05, step);
    ASSERT_TRUE(norm.ok()) << norm.status();
  }
}

// Counts what goes while backward() runs.
class CountingExchange final : public GradientExchange {
 public:
  explicit CountingExchange(GradientExchange& inner) : inner_(inner) {}
  int64_t rank() const override { return inner_.rank(); }
  int64_t world() const override { return inner_.world(); }
  absl::Status AllReduceSum(const std::vector<at::Tensor>& tensors) override { return inner_.AllReduceSum(tensors); }
  absl::Status Broadcast(const std::vector<at::Tensor>& tensors) override { return inner_.Broadcast(tensors); }
  absl::StatusOr<std::vector<double>> AllGather(double value) override { return inner_.AllGather(value); }
  absl::StatusOr<at::Tensor> ReduceScatterSum(const at::Tensor& row) override {
    ++scattered;
    return inner_.ReduceScatterSum(row);
  }
  absl::StatusOr<at::Tensor> AllGatherParts(const at::Tensor& part) override { return inner_.AllGatherParts(part); }
  void Join() override { inner_.Join(); }
  absl::StatusOr<std::vector<at::Tensor>> GatherToFirst(const at::Tensor& row,
                                                        const std::vector<int64_t>& counts) override {
    return inner_.GatherToFirst(row, counts);
  }

  int scattered = 0;

 private:
  GradientExchange& inner_;
};

TEST(ShardedAdamWTest, EndsWhereOneProcessEndsThatSeesTheMeanOfTheGradients) {
  Weights alone;
  AdamW optimizer(alone.Rows(), kOptions);
  Train(alone, optimizer, 0, 5, *SingleProcess::Instance());
  for (const int64_t world : {2, 3}) {
    RunRanksAsThreads(world, [&](HostExchange& exchange) {
      Weights weights;
      AdamW own(weights.Rows(), kOptions, &exchange);
      Train(weights, own, 0, 5, exchange);
      weights.ExpectNear(alone);
    });
  }
}

TEST(ShardedAdamWTest, GradientsGoWhileBackwardRunsButNotBeforeTheLastPiece) {
  RunRanksAsThreads(2, [](HostExchange& sockets) {
    CountingExchange exchange(sockets);
    Weights weights;
    std::vector<WeightRow> used = weights.Rows();
    used.pop_back();
    AdamW optimizer(used, kOptions, &exchange);
    weights.Backward(0, exchange.rank(), 2, 0.5);
    EXPECT_EQ(exchange.scattered, 0);
    optimizer.LastBackwardFollows();
    weights.Backward(0, exchange.rank(), 2, 0.5);
    EXPECT_EQ(exchange.scattered, 4);  // 62 elements, 16 at a time
    EXPECT_FALSE(weights.row.grad().defined()) << "a gradient that has gone still takes memory";
    ASSERT_TRUE(optimizer.Update(0.05, 0).ok());
    EXPECT_EQ(exchange.scattered, 4);

    weights.Backward(1, exchange.rank(), 2);  // without a word before it: the update sends
    EXPECT_EQ(exchange.scattered, 4);
    ASSERT_TRUE(optimizer.Update(0.05, 1).ok());
    EXPECT_EQ(exchange.scattered, 8);
    Weights alone;
    AdamW whole(alone.Rows(), kOptions);
    Train(alone, whole, 0, 2, *SingleProcess::Instance());
    weights.ExpectNear(alone);
  });
}

TEST(ShardedAdamWTest, AGroupThatIsLateWaitsForTheUpdate) {
  RunRanksAsThreads(2, [](HostExchange& exchange) {
    Weights weights;
    std::vector<WeightRow> rows = weights.Rows();
    const std::vector<ParameterGroup> groups = {{"late", {rows[0]}, 0.01, /*late=*/true},
                                                {"rest", {rows.begin() + 1, rows.end()}, 0.01}};
    AdamW optimizer(groups, kOptions, &exchange);
    optimizer.LastBackwardFollows();
    weights.Backward(0, exchange.rank(), 2, 0.25);
    weights.row.backward(weights.row.detach() * 0);  // as a penalty
    EXPECT_TRUE(weights.row.grad().defined());
    const auto norms = optimizer.UpdateGroups({{0.05, 0}, {0.05, 0}});
    ASSERT_TRUE(norms.ok()) << norms.status();
  });
}

// With a large eps a step says how large its gradient was; Adam's own does not.
TEST(ShardedAdamWTest, ClipsAllGroupsByTheirCommonNorm) {
  AdamWOptions options = kOptions;
  options.eps = 1;
  const auto update = [&](Weights& weights, GradientExchange& exchange) {
    std::vector<WeightRow> rows = weights.Rows();
    AdamW optimizer({{"one", {rows[1]}, 0}, {"rest", {rows[0], rows[2], rows[3]}, 0}}, options, &exchange);
    optimizer.LastBackwardFollows();
    weights.Backward(0, exchange.rank(), exchange.world(), 10);
    const auto norms = optimizer.UpdateGroups({{0.05, 0}, {0.05, 0}});
    ASSERT_TRUE(norms.ok()) << norms.status();
    EXPECT_GT(norms->groups[0], options.clip_norm);
    EXPECT_GT(norms->groups[1], 2 * norms->groups[0]);
  };
  Weights alone;
  update(alone, *SingleProcess::Instance());
  RunRanksAsThreads(2, [&](HostExchange& exchange) {
    Weights weights;
    update(weights, exchange);
    weights.ExpectNear(alone);
  });
}

TEST(ShardedAdamWTest, AGradientThatComesAgainAfterItHasGoneIsAnError) {
  RunRanksAsThreads(2, [](HostExchange& exchange) {
    Weights weights;
    AdamW optimizer({weights.Rows()[0]}, kOptions, &exchange);
    optimizer.LastBackwardFollows();
    weights.Backward(0, exchange.rank(), 2);
    weights.Backward(0, exchange.rank(), 2);
    const auto norm = optimizer.Update(0.05, 0);
    EXPECT_THAT(std::string(norm.status().message()), HasSubstr("the gradient of row came again"));
  });
}

TEST(ShardedAdamWTest, NamesAWeightWhoseGradientIsNotFiniteOrLacksAtARank) {
  RunRanksAsThreads(2, [](HostExchange& exchange) {
    Weights weights;
    AdamW optimizer(weights.Rows(), kOptions, &exchange);
    const double factor = exchange.rank() == 1 ? std::numeric_limits<double>::infinity() : 1;
    (weights.row * factor).sum().backward();
    EXPECT_THAT(std::string(optimizer.Update(0.05, 0).status().message()), HasSubstr("gradient of row is not finite"));
    EXPECT_TRUE(at::equal(weights.row.detach(), Weights().row));
    if (exchange.rank() == 1) weights.scalar.backward();
    EXPECT_THAT(std::string(optimizer.Update(0.05, 0).status().message()),
                HasSubstr("scalar has a gradient at 1 of 2 ranks"));
  });
}

// From 2 processes to 1, to 3, through checkpoints.
TEST(ShardedAdamWTest, ACheckpointIsGoneOnWithByAnyNumberOfProcesses) {
  const std::string path = testing::TempDir() + "/sharded_adam_w.safetensors";
  Weights alone;
  AdamW optimizer(alone.Rows(), kOptions);
  Train(alone, optimizer, 0, 9, *SingleProcess::Instance());
  int64_t first = 0;
  for (const int64_t world : {2, 1, 3}) {
    RunRanksAsThreads(world, [&](HostExchange& exchange) {
      Weights weights;
      AdamW own(weights.Rows(), kOptions, &exchange);
      const bool goes_on = first == 0 || ReadCheckpoint(path, {"test", 0, {}}, weights.State(own)).ok();
      ASSERT_TRUE(goes_on);
      Train(weights, own, first, first + 3, exchange);
      ASSERT_TRUE(exchange.AllGather(0).ok());  // all have read the old one
      const absl::Status written =
          WriteCheckpoint(path, {"test", first + 3, {}}, weights.State(own), exchange.rank() == 0);
      ASSERT_TRUE(written.ok()) << written;
      if (first + 3 == 9) weights.ExpectNear(alone);
    });
    first += 3;
  }
}

TEST(ShardedAdamWTest, KeepsNoMoreThanItsShare) {
  RunRanksAsThreads(4, [](HostExchange& exchange) {
    Weights weights;
    ShardedAdamW optimizer({{"", weights.Rows(), 0}}, kOptions, &exchange);
    EXPECT_LE(optimizer.StateElements(), 2 * (67 / 4 + 5)) << "of 2 x 67, with an element of padding a bucket";
  });
}

}  // namespace
}  // namespace videodiffcr::training
