#include <cmath>
#include <cstring>

#include "model/kernels/key_window.h"
#include "model/kernels/rotary_angle.h"

namespace videodiffcr::kernels {

void PlainFillRotaryTable(const RotaryShape& shape, int64_t first_frame, int frames, float* cos, float* sin) {
  const int sites = shape.rows * shape.columns;
  for (int token = 0; token < frames * sites; ++token) {
    for (int pair = 0; pair < shape.head_dim / 2; ++pair) {
      const double angle = RotaryAngle(shape, first_frame + token / sites, token % sites, pair);
      *cos++ = static_cast<float>(std::cos(angle));
      *sin++ = static_cast<float>(std::sin(angle));
    }
  }
}

void PlainMoveFrames(const FrameMoves& moves, const void* from_pool, int64_t from_layer_rows, void* to_pool,
                     int64_t to_layer_rows, int layers, int64_t row_bytes) {
  for (int layer = 0; layer < layers; ++layer) {
    for (int frame = 0; frame < moves.count; ++frame) {
      const int64_t from = layer * from_layer_rows + moves.from[frame], to = layer * to_layer_rows + moves.to[frame];
      std::memcpy(static_cast<char*>(to_pool) + to * row_bytes, static_cast<const char*>(from_pool) + from * row_bytes,
                  moves.frame_rows * row_bytes);
    }
  }
}

void PlainTurnFrames(const FrameTurns& turns, int heads, int head_dim, const float* cos, const float* sin,
                     const void* from_pool, int64_t from_layer_rows, void* to_pool, int64_t to_layer_rows, int layers) {
  const int64_t width = heads * head_dim, pairs = head_dim / 2, frame_rows = turns.moves.frame_rows;
  for (int layer = 0; layer < layers; ++layer) {
    for (int frame = 0; frame < turns.moves.count; ++frame) {
      const float* in =
          static_cast<const float*>(from_pool) + (layer * from_layer_rows + turns.moves.from[frame]) * width;
      float* out = static_cast<float*>(to_pool) + (layer * to_layer_rows + turns.moves.to[frame]) * width;
      for (int64_t i = 0; i < frame_rows * width; i += 2) {
        const int64_t angle = (turns.position[frame] * frame_rows + i / width) * pairs + i % head_dim / 2;
        out[i] = in[i] * cos[angle] - in[i + 1] * sin[angle];
        out[i + 1] = in[i] * sin[angle] + in[i + 1] * cos[angle];
      }
    }
  }
}

}  // namespace videodiffcr::kernels
