// Tensors behind each other in one row of elements, which is cut into buckets of one size (the last is shorter) and
// each bucket into one part per process. Cuts fall anywhere, also inside a tensor, so that every process has as much to
// do.
#ifndef VIDEODIFFCR_TRAINING_RUN_BUCKET_LAYOUT_H_
#define VIDEODIFFCR_TRAINING_RUN_BUCKET_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace videodiffcr::training {

// Elements `first` to `first` + `count` of a tensor, and where they begin in a bucket or a part.
struct BucketPiece {
  size_t tensor = 0;
  int64_t first = 0;
  int64_t count = 0;
  int64_t place = 0;
};

class BucketLayout {
 public:
  // `elements`: of each tensor.
  BucketLayout(const std::vector<int64_t>& elements, int64_t bucket_elements, int64_t ranks);

  size_t buckets() const { return pieces_.size(); }
  int64_t ranks() const { return ranks_; }
  // All ranks' parts of a bucket have the same size; behind the last element is padding.
  int64_t PartElements(size_t bucket) const { return part_elements_[bucket]; }

  const std::vector<BucketPiece>& Pieces(size_t bucket) const { return pieces_[bucket]; }
  std::vector<BucketPiece> PiecesOfPart(size_t bucket, int64_t rank) const;

  // The buckets that a tensor is in: begin to end; none when it has no elements.
  struct Range {
    size_t begin = 0, end = 0;
  };
  Range BucketsOf(size_t tensor) const { return ranges_[tensor]; }

 private:
  const int64_t ranks_;
  std::vector<std::vector<BucketPiece>> pieces_;  // [bucket]
  std::vector<int64_t> part_elements_;            // [bucket]
  std::vector<Range> ranges_;                     // [tensor]
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_BUCKET_LAYOUT_H_
