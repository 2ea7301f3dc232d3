// Which row of the position-bias table a pair of tokens uses (umt5_text_encoder.md section 4).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_RELATIVE_BUCKET_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_RELATIVE_BUCKET_H_

#include <cmath>
#include <cstdint>

namespace videodiffcr {

// `offset`: key index minus query index. Half of the buckets are for keys to the right; of each half the first half
// holds one distance per bucket, the rest grow by a constant factor up to `max_distance`, and the last one holds all
// beyond.
inline int64_t RelativeBucket(int64_t offset, int64_t num_buckets, int64_t max_distance) {
  const int64_t half = num_buckets / 2;
  const int64_t exact = half / 2;
  const int64_t distance = offset < 0 ? -offset : offset;
  int64_t bucket = distance;
  if (distance >= exact) {
    const double steps = static_cast<double>(half - exact);
    const double ratio = static_cast<double>(max_distance) / static_cast<double>(exact);
    bucket = exact;
    // Compared with the bounds, not through the logarithm of the distance: at 16, 32 and 64 that is a matter of
    // rounding.
    while (bucket < half - 1 &&
           static_cast<double>(distance) >= exact * std::pow(ratio, (bucket + 1 - exact) / steps) - 1e-6) {
      ++bucket;
    }
  }
  return bucket + (offset > 0 ? half : 0);
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_RELATIVE_BUCKET_H_
