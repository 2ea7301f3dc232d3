// Levels of H.264: what a stream promises never to ask of its player (ITU-T H.264, table A-1).
#ifndef VIDEODIFFCR_SERVER_MEDIA_H264_LEVEL_H_
#define VIDEODIFFCR_SERVER_MEDIA_H264_LEVEL_H_

#include <cstdint>

namespace videodiffcr {

struct H264Level {
  int number = 0;                          // level_idc: 10 times the level's name, so 31 for 3.1
  int64_t max_macroblocks_per_second = 0;  // MaxMBPS
  int max_frame_macroblocks = 0;           // MaxFS; no side is longer than the root of 8 times this
  int64_t max_bits_per_second = 0;         // MaxBR, of the Main profile: High may send a quarter more
  int64_t max_buffer_bits = 0;             // MaxCPB, likewise
};

// Bits per second that pictures of this size, whatever they show, are allowed at `rate_factor` (1 to 51): at 1 as many
// as H.264 can spend on them at all, half of it with every 6 steps, as the quantizer's step doubles. About ten times
// what frames of ordinary videos take.
int64_t H264RateBound(int width, int height, int frames_per_second, int rate_factor);

// The lowest level that allows such pictures and that rate; the highest there is when none does.
H264Level ChooseH264Level(int width, int height, int frames_per_second, int64_t bits_per_second);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_MEDIA_H264_LEVEL_H_
