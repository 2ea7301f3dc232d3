// Which window position a row of a compact past has; one definition for device and host.
#ifndef VIDEODIFFCR_MODEL_KERNELS_WINDOW_PLACE_H_
#define VIDEODIFFCR_MODEL_KERNELS_WINDOW_PLACE_H_

#include "model/kernels/compact_past.h"
#include "model/kernels/row_set.h"

namespace videodiffcr::kernels {

// Row of the rotary table for a row at `place`.
VIDEODIFFCR_HOST_DEVICE inline int64_t RotaryRow(const TurnKeysCall& call, int32_t place) {
  const int slot = place / call.frame_rows;
  int position = slot;
  if (slot >= call.sink_frames) {
    const int behind = slot - call.sink_frames - call.oldest_slot;
    position = call.sink_frames + (behind < 0 ? behind + call.ring_frames : behind);
  }
  return int64_t{position} * call.frame_rows + place % call.frame_rows;
}

}  // namespace videodiffcr::kernels

#endif  // VIDEODIFFCR_MODEL_KERNELS_WINDOW_PLACE_H_
