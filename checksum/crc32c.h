// CRC-32C (Castagnoli): the checksum that VideoChunk.payload_crc32c carries (RFC 3720 appendix B.4 has test vectors).
#ifndef VIDEODIFFCR_CHECKSUM_CRC32C_H_
#define VIDEODIFFCR_CHECKSUM_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace videodiffcr {

// Of the whole of `bytes`; 0 for none.
uint32_t Crc32c(std::string_view bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CHECKSUM_CRC32C_H_
