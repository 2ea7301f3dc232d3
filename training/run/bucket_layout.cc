#include "training/run/bucket_layout.h"

#include <algorithm>

namespace videodiffcr::training {

BucketLayout::BucketLayout(const std::vector<int64_t>& elements, int64_t bucket_elements, int64_t ranks)
    : ranks_(ranks), ranges_(elements.size()) {
  int64_t filled = bucket_elements;  // of the bucket that is being filled
  for (size_t tensor = 0; tensor < elements.size(); ++tensor) {
    ranges_[tensor] = {pieces_.size(), pieces_.size()};
    for (int64_t first = 0; first < elements[tensor];) {
      if (filled == bucket_elements) {
        pieces_.emplace_back();
        filled = 0;
      }
      if (first == 0) ranges_[tensor].begin = pieces_.size() - 1;
      const int64_t count = std::min(bucket_elements - filled, elements[tensor] - first);
      pieces_.back().push_back({tensor, first, count, filled});
      filled += count;
      first += count;
      ranges_[tensor].end = pieces_.size();
    }
  }
  for (const std::vector<BucketPiece>& pieces : pieces_) {
    part_elements_.push_back((pieces.back().place + pieces.back().count + ranks - 1) / ranks);
  }
}

std::vector<BucketPiece> BucketLayout::PiecesOfPart(size_t bucket, int64_t rank) const {
  const int64_t begin = rank * PartElements(bucket), end = begin + PartElements(bucket);
  std::vector<BucketPiece> part;
  for (const BucketPiece& piece : Pieces(bucket)) {
    const int64_t from = std::max(begin, piece.place), to = std::min(end, piece.place + piece.count);
    if (from < to) part.push_back({piece.tensor, piece.first + from - piece.place, to - from, from - begin});
  }
  return part;
}

}  // namespace videodiffcr::training
