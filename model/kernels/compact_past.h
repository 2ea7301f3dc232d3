// Retention of the cache on a GPU (videodiffcr.md section 9, 8): a finished chunk's best keys join a past whose rows
// lie side by side, in all blocks ("layers") of one session at once. No count visits the host: how many rows a chunk
// leaves is known before, and which they are stays on the device.
//
// A row of the past knows its place: slot of its frame in the window times tokens per frame, and token in the frame
// (model/config/kv_window.h). Whole chunks arrive and leave: the places of a chunk's tokens follow each other, and the
// frames that have them before are those that leave.
//
// Promise: rows and their order are those of CommitChunk() of model/cpu/layer_cache.h for the same scores: the best by
// score falling, then token rising, NaN last; arriving rows, by place, take those of frames that leave, what is too
// much goes to the end, what is too little is filled from the end.
#ifndef VIDEODIFFCR_MODEL_KERNELS_COMPACT_PAST_H_
#define VIDEODIFFCR_MODEL_KERNELS_COMPACT_PAST_H_

#include <cstdint>

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

// A row goes to row `to` of the past. `from`: a row of the past, or ~token of the chunk.
struct RowMove {
  int32_t from = 0, to = 0;
};

struct PlaceKeysCall {
  int layers = 0;
  int tokens = 0;                      // of the chunk, at most kMostTokens
  int32_t first_place = 0;             // of the chunk's first token
  const float* scores = nullptr;       // [layers, tokens]; of layers that keep everything they are not read
  const int32_t* kept = nullptr;       // [layers] how many tokens stay, at least one
  const int64_t* first_row = nullptr;  // [layers] of the session, in `places` and in pools of keys
  int32_t* places = nullptr;           // of the past's rows; there must be room for what arrives
  int32_t* past_rows = nullptr;        // [layers] in use: before, and then after
  int32_t* chunk_row = nullptr;        // out, [layers]: past_rows before, behind which the chunk lies
  // Out, [layers, tokens] and [layers]. In this order, no row is read after it was written: of the chunk, too, whether
  // it lies behind the past or elsewhere.
  RowMove* moves = nullptr;
  int32_t* move_count = nullptr;
};

void PlaceKeys(const PlaceKeysCall& call, Stream stream);

// Makes the moves of every layer in up to two pools of rows.
struct MoveKeysCall {
  int layers = 0, tokens = 0;
  const int64_t* first_row = nullptr;  // as above
  const RowMove* moves = nullptr;
  const int32_t* move_count = nullptr;
  int pools = 0;
  void* pool[2] = {};
  const int32_t* chunk_row[2] = {};  // [layers]: where the chunk's rows lie in that pool, from the session's first
  int64_t row_bytes = 0;             // a multiple of 16
};

void MoveKeys(const MoveKeysCall& call, Stream stream);

// Turns all rows of the past to their places in the window, for window-relative positions.
struct TurnKeysCall {
  int layers = 0;
  int most_rows = 0;  // of any layer's past
  int heads = 0, head_dim = 0;
  Element element = Element::kBfloat16;  // or kFloat32
  int frame_rows = 0;                    // tokens of a frame
  int sink_frames = 0, ring_frames = 0;
  int oldest_slot = 0;  // of the ring's, counted from its first: it stands behind the sink
  const int64_t* first_row = nullptr;
  const int32_t* places = nullptr;
  const int32_t* past_rows = nullptr;
  const float *cos = nullptr, *sin = nullptr;  // [window tokens, head_dim / 2] from position 0
  const void* plain_keys = nullptr;            // pools of rows
  void* keys = nullptr;
};

void TurnKeys(const TurnKeysCall& call, Stream stream);

// Scores by length: of each of the chunk's keys, all heads together (CacheScore::kKeyNorm).
struct KeyNormsCall {
  int layers = 0, tokens = 0, width = 0;
  Element element = Element::kBfloat16;
  const int64_t* first_row = nullptr;
  const int32_t* chunk_row = nullptr;
  const void* keys = nullptr;
  float* scores = nullptr;  // [layers, tokens]
};

void KeyNorms(const KeyNormsCall& call, Stream stream);

// The same on host memory; TurnKeys and KeyNorms of kFloat32 alone.
void PlainPlaceKeys(const PlaceKeysCall& call);
void PlainMoveKeys(const MoveKeysCall& call);
void PlainTurnKeys(const TurnKeysCall& call);
void PlainKeyNorms(const KeyNormsCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_COMPACT_PAST_H_
