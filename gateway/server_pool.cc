#include "gateway/server_pool.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gateway/error_response.h"

namespace videodiffcr {

absl::StatusOr<std::unique_ptr<VideoClient>> ServerPool::Client() {
  const std::optional<size_t> first = servers_.FirstToAnswer(next_++ % servers_.size(), connect_timeout_);
  if (first.has_value()) return std::make_unique<VideoClient>(servers_, *first);
  std::string addresses = servers_.address(0);
  for (size_t i = 1; i < servers_.size(); ++i) absl::StrAppend(&addresses, ", ", servers_.address(i));
  return GatewayError(absl::StatusCode::kUnavailable, "NO_SERVER",
                      absl::StrCat("no server answers at ", addresses,
                                   ": start videodiffcr-server, or name another with --server HOST:PORT"));
}

ResumeOptions ServerPool::MendBreaks() const {
  ResumeOptions options;
  options.patience = patience_;
  return options;
}

}  // namespace videodiffcr
