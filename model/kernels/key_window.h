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

// Angles in fp64, rounded once.
struct RotaryTableCall {
  RotaryShape shape;
  int64_t first_frame = 0;
  int frames = 0;        // latent frames from first_frame on
  float* cos = nullptr;  // [frames * rows * columns, head_dim / 2]
  float* sin = nullptr;  // the same
};
void FillRotaryTable(const RotaryTableCall& call, Stream stream);

inline constexpr int kMostMoves = 32;

// Whole frames of a pool [layers, layer_rows, row]: frame i, at row from[i], goes to row to[i], in every layer.
struct FrameMoves {
  int count = 0;
  int64_t from[kMostMoves] = {};
  int64_t to[kMostMoves] = {};
  int64_t frame_rows = 0;
};

struct FramePools {
  const void* from = nullptr;  // may be the same pool as `to`
  int64_t from_layer_rows = 0;
  void* to = nullptr;
  int64_t to_layer_rows = 0;
  int layers = 0;
};

// Copies frames. Sources and targets do not overlap.
struct MoveFramesCall {
  FrameMoves moves;
  FramePools pools;
  int64_t row_bytes = 0;  // a multiple of 16
};
void MoveFrames(const MoveFramesCall& call, Stream stream);

// Turns frames of a pool of plain keys into another pool: frame i as if it stood at window position position[i].
struct TurnFramesCall {
  FrameMoves moves;
  int32_t position[kMostMoves] = {};
  FramePools pools;
  Element element = Element::kBfloat16;
  int heads = 0;
  int head_dim = 0;
  const float* cos = nullptr;  // table from position 0
  const float* sin = nullptr;
};
void TurnFrames(const TurnFramesCall& call, Stream stream);

// The same three calls on host memory; PlainTurnFrames() on pools of kFloat32.
void PlainFillRotaryTable(const RotaryTableCall& call);
void PlainMoveFrames(const MoveFramesCall& call);
void PlainTurnFrames(const TurnFramesCall& call);

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_KEY_WINDOW_H_
