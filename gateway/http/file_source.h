// A part of a file as the body of an answer.
#ifndef VIDEODIFFCR_GATEWAY_HTTP_FILE_SOURCE_H_
#define VIDEODIFFCR_GATEWAY_HTTP_FILE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "gateway/http/http_message.h"

namespace videodiffcr {

// Reads 256 KiB at a time, from the page cache as a rule. The file may be removed meanwhile. NotFound when it cannot be
// opened.
absl::StatusOr<std::shared_ptr<BodySource>> OpenFileSource(const std::string& path, int64_t first, int64_t count);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_HTTP_FILE_SOURCE_H_
