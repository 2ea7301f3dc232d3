// Names that nobody guesses.
#ifndef VIDEODIFFCR_GATEWAY_RANDOM_ID_H_
#define VIDEODIFFCR_GATEWAY_RANDOM_ID_H_

#include <cstddef>
#include <string>

namespace videodiffcr {

inline constexpr size_t kRandomIdLength = 26;

// 130 random bits as characters of [a-z2-7].
std::string RandomId();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_RANDOM_ID_H_
