// How the rows of a block are shared out.
//
// Note: [Row groups]. A pass splits the rows of each block into kRowGroups groups, always the same ones whatever the
// number of threads: a matrix product rounds differently with another number of rows, so only a fixed split gives the
// same bits alone and in any batch, on one thread or two. Lanes of a team share the groups out and meet where rows look
// at each other: before attention (keys of all groups are there) and before routing (all rows of the block's input are
// there).
#ifndef VIDEODIFFCR_MODEL_CPU_ROW_GROUPS_H_
#define VIDEODIFFCR_MODEL_CPU_ROW_GROUPS_H_

#include <cstdint>

namespace videodiffcr::cpu {

inline constexpr int kRowGroups = 2;

// The rows [begin, end) of one row group.
struct RowRange {
  int64_t begin = 0, end = 0;
  int64_t rows() const { return end - begin; }
};
constexpr RowRange RowGroup(int group, int64_t rows) {
  return {group * rows / kRowGroups, (group + 1) * rows / kRowGroups};
}

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_ROW_GROUPS_H_
