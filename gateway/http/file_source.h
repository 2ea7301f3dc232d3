// A part of a file as the body of an answer.
#ifndef VIDEODIFFCR_GATEWAY_HTTP_FILE_SOURCE_H_
#define VIDEODIFFCR_GATEWAY_HTTP_FILE_SOURCE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "gateway/http/http_message.h"

namespace videodiffcr {

// Hands work to a thread that may wait for the disk; false when it takes none now. As WorkerPool::Run() does.
using WorkRunner = std::function<bool(std::function<void()> work)>;

// Reads 256 KiB at a time, each as work for `run`, which outlives whoever asks: a disk may take seconds, and the HTTP
// thread has all the other viewers. When it takes no work the body ends early. The file may be removed meanwhile.
// NotFound when it cannot be opened; opening it waits for the disk, too.
absl::StatusOr<std::shared_ptr<BodySource>> OpenFileSource(const std::string& path, int64_t first, int64_t count,
                                                           WorkRunner run);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_HTTP_FILE_SOURCE_H_
