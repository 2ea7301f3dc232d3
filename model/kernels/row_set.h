// Which rows a call of a row kernel works on: the tokens of several sessions, packed one session after the other.
#ifndef VIDEODIFFCR_MODEL_KERNELS_ROW_SET_H_
#define VIDEODIFFCR_MODEL_KERNELS_ROW_SET_H_

#include <cstdint>

#if defined(__CUDACC__)
#define VIDEODIFFCR_HOST_DEVICE __host__ __device__
#else
#define VIDEODIFFCR_HOST_DEVICE
#endif

namespace videodiffcr::kernels {

// Sessions that one launch can serve; what differs by session travels as kernel arguments, which hold at most 4 KiB.
inline constexpr int kMostSegments = 16;

// Packed row r of session s stands for token (r - first_row[s]) of its chunk, or kept[s][r - first_row[s]] where a
// router chose the tokens. The residual stream holds all tokens of all sessions: that token is its row
// base_row[s] + token.
struct RowSet {
  int segments = 0;
  int32_t first_row[kMostSegments + 1] = {};
  int32_t base_row[kMostSegments] = {};
  const int32_t* kept[kMostSegments] = {};  // null: all tokens in order

  VIDEODIFFCR_HOST_DEVICE int rows() const { return first_row[segments]; }
  VIDEODIFFCR_HOST_DEVICE int segment_of(int row) const {
    int segment = 0;
    while (segment + 1 < segments && row >= first_row[segment + 1]) ++segment;
    return segment;
  }
  VIDEODIFFCR_HOST_DEVICE int token(int row, int segment) const {
    const int index = row - first_row[segment];
    return kept[segment] == nullptr ? index : kept[segment][index];
  }
};

// Segments of equal length: `rows` rows of each session, whose tokens lie `tokens` apart.
inline RowSet EvenRows(int sessions, int rows, int tokens) {
  RowSet set;
  set.segments = sessions;
  for (int s = 0; s < sessions; ++s) {
    set.first_row[s + 1] = set.first_row[s] + rows;
    set.base_row[s] = s * tokens;
  }
  return set;
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_ROW_SET_H_
