#include <cmath>
#include <cstring>

#include "model/kernels/key_window.h"
#include "model/kernels/rotary_angle.h"

namespace videodiffcr::kernels {

void PlainFillRotaryTable(const RotaryTableCall& call) {
  const int sites = call.shape.rows * call.shape.columns;
  float *cos = call.cos, *sin = call.sin;
  for (int token = 0; token < call.frames * sites; ++token) {
    for (int pair = 0; pair < call.shape.head_dim / 2; ++pair) {
      const double angle = RotaryAngle(call.shape, call.first_frame + token / sites, token % sites, pair);
      *cos++ = static_cast<float>(std::cos(angle));
      *sin++ = static_cast<float>(std::sin(angle));
    }
  }
}

void PlainMoveFrames(const MoveFramesCall& call) {
  const FrameMoves& moves = call.moves;
  const FramePools& pools = call.pools;
  for (int layer = 0; layer < pools.layers; ++layer) {
    for (int frame = 0; frame < moves.count; ++frame) {
      const int64_t from = layer * pools.from_layer_rows + moves.from[frame];
      const int64_t to = layer * pools.to_layer_rows + moves.to[frame];
      std::memcpy(static_cast<char*>(pools.to) + to * call.row_bytes,
                  static_cast<const char*>(pools.from) + from * call.row_bytes, moves.frame_rows * call.row_bytes);
    }
  }
}

void PlainTurnFrames(const TurnFramesCall& call) {
  const FrameMoves& moves = call.moves;
  const FramePools& pools = call.pools;
  const int64_t width = call.heads * call.head_dim, pairs = call.head_dim / 2;
  for (int layer = 0; layer < pools.layers; ++layer) {
    for (int frame = 0; frame < moves.count; ++frame) {
      const float* in =
          static_cast<const float*>(pools.from) + (layer * pools.from_layer_rows + moves.from[frame]) * width;
      float* out = static_cast<float*>(pools.to) + (layer * pools.to_layer_rows + moves.to[frame]) * width;
      for (int64_t i = 0; i < moves.frame_rows * width; i += 2) {
        const int64_t angle = (call.position[frame] * moves.frame_rows + i / width) * pairs + i % call.head_dim / 2;
        out[i] = in[i] * call.cos[angle] - in[i + 1] * call.sin[angle];
        out[i + 1] = in[i] * call.sin[angle] + in[i + 1] * call.cos[angle];
      }
    }
  }
}

}  // namespace videodiffcr::kernels
