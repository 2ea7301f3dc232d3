#include "training/parallel/host_exchange.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace videodiffcr::training {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Runs `work` for every rank, each on a thread of its own.
void ForEachRank(int64_t world, const std::function<void(HostExchange&)>& work) {
  std::vector<std::thread> threads;
  const std::vector<RankPlace> places = ConnectRanks(world).value();
  for (const RankPlace& place : places) {
    threads.emplace_back([&work, place] {
      HostExchange exchange(place);
      work(exchange);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(HostExchangeTest, AveragesTensorsOfAnyShapeOverAllRanks) {
  ForEachRank(3, [](HostExchange& exchange) {
    const auto rank = static_cast<double>(exchange.rank());
    at::Tensor matrix = at::full({2, 3}, rank), strided = at::full({4, 2}, 10 * rank).t(), scalar = at::full({}, 5.0);
    ASSERT_TRUE(exchange.AllReduceMean({matrix, strided, scalar}).ok());
    EXPECT_TRUE(at::equal(matrix, at::ones({2, 3})));
    EXPECT_TRUE(at::equal(strided, at::full({2, 4}, 10.0)));
    EXPECT_EQ(scalar.item<float>(), 5.0f);
  });
}

TEST(HostExchangeTest, GivesEveryRankTheSameBits) {
  std::vector<at::Tensor> means(3);
  ForEachRank(3, [&means](HostExchange& exchange) {
    at::Tensor value = at::full({1000}, 0.1 * static_cast<double>(exchange.rank() + 1) / 3);
    ASSERT_TRUE(exchange.AllReduceMean({value}).ok());
    means[static_cast<size_t>(exchange.rank())] = value;
  });
  EXPECT_TRUE(at::equal(means[0], means[1]));
  EXPECT_TRUE(at::equal(means[0], means[2]));
}

TEST(HostExchangeTest, GathersByRankAndBroadcastsFromRankZero) {
  ForEachRank(4, [](HostExchange& exchange) {
    const auto gathered = exchange.AllGather(static_cast<double>(exchange.rank() * exchange.rank()));
    ASSERT_TRUE(gathered.ok()) << gathered.status();
    EXPECT_THAT(*gathered, ElementsAre(0, 1, 4, 9));
    at::Tensor value = at::full({2, 2}, static_cast<double>(exchange.rank() + 7));
    ASSERT_TRUE(exchange.Broadcast({value}).ok());
    EXPECT_TRUE(at::equal(value, at::full({2, 2}, 7.0)));
  });
}

TEST(HostExchangeTest, GivesEachRankItsPartOfASumAndAllRanksTheParts) {
  ForEachRank(3, [](HostExchange& exchange) {
    const at::Tensor row = at::arange(6, at::kFloat) + 100.0 * static_cast<double>(exchange.rank());
    const auto part = exchange.ReduceScatterSum(row);
    ASSERT_TRUE(part.ok()) << part.status();
    EXPECT_TRUE(at::equal(*part, (at::arange(2, at::kFloat) + 2.0 * static_cast<double>(exchange.rank())) * 3 + 300));
    EXPECT_TRUE(at::equal(row, at::arange(6, at::kFloat) + 100.0 * static_cast<double>(exchange.rank())));
    const auto all = exchange.AllGatherParts(*part);
    ASSERT_TRUE(all.ok()) << all.status();
    EXPECT_TRUE(at::equal(*all, at::arange(6, at::kFloat) * 3 + 300));
  });
}

TEST(HostExchangeTest, GathersRowsOfAnyLengthAtRankZeroAlone) {
  ForEachRank(3, [](HostExchange& exchange) {
    const auto rows = exchange.GatherToFirst(at::full({exchange.rank() * 2}, 5.0), {0, 2, 4});
    ASSERT_TRUE(rows.ok()) << rows.status();
    ASSERT_EQ(rows->size(), exchange.rank() == 0 ? 3u : 0u);
    if (exchange.rank() != 0) return;
    EXPECT_TRUE(at::equal((*rows)[2], at::full({4}, 5.0)));
  });
}

TEST(HostExchangeTest, SaysWhichRankIsGone) {
  ForEachRank(2, [](HostExchange& exchange) {
    if (exchange.rank() == 1) return;  // as a process that was killed
    const absl::Status status = exchange.AllReduceMean({at::ones({1})});
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(status.message()), HasSubstr("rank 1 is gone"));
  });
}

TEST(HostExchangeTest, RefusesTensorsOfAnotherSizeThanItsOwn) {
  ForEachRank(2, [](HostExchange& exchange) {
    const absl::Status status = exchange.AllReduceMean({at::ones({exchange.rank() == 0 ? 2 : 3})});
    EXPECT_FALSE(status.ok());
    if (exchange.rank() != 0) return;
    EXPECT_EQ(status.message(),
              "rank 1 sends 12 bytes where rank 0 expects 8: they are not at the same place of the same run");
  });
}

}  // namespace
}  // namespace videodiffcr::training
