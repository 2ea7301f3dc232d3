// How one attention call is spread over the processors of a GPU: a pure function, so that it can be tested without one.
//
// Note: [The last wave]. A processor works on one tile of `query_tile` query rows of one head at a time. 4680 rows in
// 12 heads are 444 tiles; on 132 processors that is 3.36 rounds, and without more ado the last round leaves most of
// them idle. So only whole rounds are handed out as whole tiles; the keys of the tiles that remain are cut into parts
// and spread over all processors, each part leaves a partial result, and MergeAttentionParts() adds the parts up.
#ifndef VIDEODIFFCR_MODEL_KERNELS_ATTENTION_PLAN_H_
#define VIDEODIFFCR_MODEL_KERNELS_ATTENTION_PLAN_H_

#include <cstdint>
#include <vector>

namespace videodiffcr::kernels {

// Query rows [query_row, query_row + query_rows) attend to key rows [key_row, key_row + key_rows): one session.
struct AttentionSegment {
  int32_t query_row = 0, query_rows = 0;
  int32_t key_row = 0, key_rows = 0;
};

struct AttentionShape {
  int heads = 0;
  int query_tile = 128;  // rows of a tile
  int key_tile = 192;    // keys are read in steps of this many
  int processors = 132;
};

// At most `query_tile` query rows of one head against a run of keys.
struct AttentionItem {
  int32_t head = 0;
  int32_t query_row = 0, query_rows = 0;
  int32_t key_row = 0, key_rows = 0;
  int32_t output_row = 0;  // where the result goes: query_row, or an extra row of a tile that was cut
};

// A tile whose keys were cut: its result is the parts' weighted sum. Part 0 lies in the tile's own rows.
struct CutTile {
  int32_t head = 0;
  int32_t output_row = 0, rows = 0;
  int32_t first_extra = 0, extras = 0;  // into AttentionPlan::extra_part_rows
};

struct AttentionPlan {
  std::vector<int32_t> first_item;  // [processors + 1]: processor p works on items [first_item[p], first_item[p + 1])
  std::vector<AttentionItem> items;
  std::vector<CutTile> cut_tiles;
  std::vector<int32_t> extra_part_rows;  // first output row of each further part
  int32_t extra_rows = 0;                // output rows needed beyond first_extra_row
};

// `first_extra_row`: the first output row that no query owns; there are `most_extra_rows` of them, and no tile is cut
// when they do not suffice. Every segment needs at least one query and one key.
AttentionPlan PlanAttention(const std::vector<AttentionSegment>& segments, const AttentionShape& shape,
                            int32_t first_extra_row, int32_t most_extra_rows);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_ATTENTION_PLAN_H_
