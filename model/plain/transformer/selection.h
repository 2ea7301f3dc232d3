// Which tokens of a chunk a routed block keeps (videodiffcr.md section 3).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_SELECTION_H_
#define VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_SELECTION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/config/retention_table.h"

namespace videodiffcr {

// The `kept_rows` best tokens of each batch row, as ascending token numbers: scores [B, N] -> int64 [B, kept_rows].
// Order: score in fp32 descending, then token number ascending; NaN counts as minus infinity. With frame_floor > 0 the
// best FrameFloorRows() of each of the `frames` frames come first whatever their global rank; the count stays exact.
// Nested: the tokens of a smaller count are among those of a larger one (when frame_floor is 0).
at::Tensor SelectTokens(const at::Tensor& scores, int64_t kept_rows, int64_t frames = 1, double frame_floor = 0.0);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TRANSFORMER_SELECTION_H_
