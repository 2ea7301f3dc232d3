// Keys and values that outlive their chunk: rotary tables by position, the move of a finished chunk into the ring, and
// for window-relative positions the turn of all past keys to their places (causal_wan_dit.md sections 6 and 7,
// tiny_recipe.md section 5).
#ifndef VIDEODIFFCR_MODEL_KERNELS_KEY_WINDOW_H_
#define VIDEODIFFCR_MODEL_KERNELS_KEY_WINDOW_H_

#include <cstdint>

#include "model/kernels/element.h"

namespace videodiffcr::kernels {

struct RotaryShape {
  int head_dim = 0;
  int rows = 0, columns = 0;  // patches of a latent frame
};

// cos and sin of `frames` latent frames from `first_frame` on, [frames * rows * columns, head_dim / 2]; angles in fp64,
// rounded once.
void FillRotaryTable(const RotaryShape& shape, int64_t first_frame, int frames, float* cos, float* sin, Stream stream);

// The same on host memory.
void PlainFillRotaryTable(const RotaryShape& shape, int64_t first_frame, int frames, float* cos, float* sin);

inline constexpr int kMostMoves = 32;

// Copies whole frames inside a pool [layers, layer_rows, row_bytes]: frame i goes from row from[i] to row to[i], in
// every layer. Sources and targets do not overlap.
struct FrameMoves {
  int count = 0;
  int64_t from[kMostMoves] = {};
  int64_t to[kMostMoves] = {};
  int64_t frame_rows = 0;
};
// `from_pool` and `to_pool` may be one pool. `row_bytes` is a multiple of 16.
void MoveFrames(const FrameMoves& moves, const void* from_pool, int64_t from_layer_rows, void* to_pool,
                int64_t to_layer_rows, int layers, int64_t row_bytes, Stream stream);
// The same on host memory.
void PlainMoveFrames(const FrameMoves& moves, const void* from_pool, int64_t from_layer_rows, void* to_pool,
                     int64_t to_layer_rows, int layers, int64_t row_bytes);

// Turns frames of a pool of plain keys into another pool, in every layer: frame i, at row from[i], goes to row to[i] as
// if it stood at window position position[i]. cos and sin: table from position 0.
struct FrameTurns {
  FrameMoves moves;
  int32_t position[kMostMoves] = {};
};
void TurnFrames(const FrameTurns& turns, Element element, int heads, int head_dim, const float* cos, const float* sin,
                const void* from_pool, int64_t from_layer_rows, void* to_pool, int64_t to_layer_rows, int layers,
                Stream stream);
// The same on host memory, pools of kFloat32.
void PlainTurnFrames(const FrameTurns& turns, int heads, int head_dim, const float* cos, const float* sin,
                     const void* from_pool, int64_t from_layer_rows, void* to_pool, int64_t to_layer_rows, int layers);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_KEY_WINDOW_H_
