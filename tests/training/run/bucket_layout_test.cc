#include "training/run/bucket_layout.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

namespace videodiffcr::training {
namespace {

// How often each element of each tensor is in some rank's part.
std::map<std::pair<size_t, int64_t>, int> CountsOf(const BucketLayout& layout) {
  std::map<std::pair<size_t, int64_t>, int> counts;
  for (size_t bucket = 0; bucket < layout.buckets(); ++bucket) {
    for (int64_t rank = 0; rank < layout.ranks(); ++rank) {
      for (const BucketPiece& piece : layout.PiecesOfPart(bucket, rank)) {
        EXPECT_LE(piece.place + piece.count, layout.PartElements(bucket));
        for (int64_t i = 0; i < piece.count; ++i) ++counts[{piece.tensor, piece.first + i}];
      }
    }
  }
  return counts;
}

TEST(BucketLayoutTest, EveryElementIsInOnePartOfOneRank) {
  const std::vector<int64_t> elements = {5, 0, 17, 1, 8};
  for (const int64_t ranks : {1, 2, 3, 7}) {
    const auto counts = CountsOf(BucketLayout(elements, 10, ranks));
    EXPECT_EQ(counts.size(), 31u) << ranks;
    for (const auto& [element, count] : counts) EXPECT_EQ(count, 1) << ranks;
  }
}

TEST(BucketLayoutTest, CutsInsideATensorSoThatRanksHaveAsMuchEach) {
  const BucketLayout layout({5, 0, 17, 1, 8}, 10, 3);
  ASSERT_EQ(layout.buckets(), 4u);
  EXPECT_EQ(layout.PartElements(0), 4);  // 10 elements among 3 ranks, two of padding
  EXPECT_EQ(layout.PartElements(3), 1);  // the last bucket has 1
  EXPECT_EQ(layout.BucketsOf(2).begin, 0u);
  EXPECT_EQ(layout.BucketsOf(2).end, 3u);
  const std::vector<BucketPiece> second = layout.PiecesOfPart(0, 1);  // elements 4 to 8
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(second[0].tensor, 0u);
  EXPECT_EQ(second[0].first, 4);
  EXPECT_EQ(second[0].count, 1);
  EXPECT_EQ(second[1].tensor, 2u);
  EXPECT_EQ(second[1].count, 3);
  EXPECT_EQ(second[1].place, 1);
}

}  // namespace
}  // namespace videodiffcr::training
