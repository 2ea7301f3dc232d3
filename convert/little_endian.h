// Numbers out of files: unaligned, little-endian. torch.save, zip and safetensors write nothing else that we accept.
#ifndef VIDEODIFFCR_CONVERT_LITTLE_ENDIAN_H_
#define VIDEODIFFCR_CONVERT_LITTLE_ENDIAN_H_

#include <bit>
#include <cstdint>
#include <cstring>

namespace videodiffcr {

static_assert(std::endian::native == std::endian::little, "tensors are copied byte by byte");

inline uint16_t LoadU16(const uint8_t* bytes) {
  uint16_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

inline uint32_t LoadU32(const uint8_t* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

inline uint64_t LoadU64(const uint8_t* bytes) {
  uint64_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_LITTLE_ENDIAN_H_
