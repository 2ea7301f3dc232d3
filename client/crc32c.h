// CRC-32C (Castagnoli), the checksum of VideoChunk.payload_crc32c. Source: RFC 3720 appendix B.4, whose examples are
// the test.
#ifndef VIDEODIFFCR_CLIENT_CRC32C_H_
#define VIDEODIFFCR_CLIENT_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace videodiffcr {

uint32_t Crc32c(std::string_view bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_CRC32C_H_
