// Ranges of SessionConfig that both ends of a call check; the proto file's comments say the same.
#ifndef VIDEODIFFCR_PROTO_CONFIG_RANGES_H_
#define VIDEODIFFCR_PROTO_CONFIG_RANGES_H_

namespace videodiffcr {

inline constexpr int kMaxRunAheadChunks = 64;      // run_ahead_limit_chunks
inline constexpr int kMaxStartBufferSeconds = 60;  // playout.start_buffer

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_PROTO_CONFIG_RANGES_H_
