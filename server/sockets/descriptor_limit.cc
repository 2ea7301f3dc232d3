#include "server/sockets/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

// Scrapes, the probe of the own port, files of the model, what gRPC opens for its threads.
constexpr int64_t kReserve = 128;

// Of at most `most`. When there is none left to count them with, all are open.
int64_t OpenDescriptors(int64_t most) {
  std::error_code error;
  const std::filesystem::directory_iterator entries("/proc/self/fd", error);
  if (error == std::errc::too_many_files_open) return most;
  return error ? 0 : std::distance(begin(entries), end(entries));
}

}  // namespace

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // where it is not allowed, ConnectionsThatFit() reckons with what there is
}

absl::StatusOr<int> ConnectionsThatFit(int wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
  const auto most = static_cast<int64_t>(limit.rlim_cur);
  // Under a very low limit a smaller reserve: better a short queue for scrapes than no viewer.
  const int64_t left = most - OpenDescriptors(most) - std::min(kReserve, most / 4);
  if (left < 1) {
    return absl::UnavailableError(
        absl::StrCat("at most ", most,
                     " files and sockets may be open, which leaves none for connections; raise it "
                     "(ulimit -n, LimitNOFILE=)"));
  }
  return static_cast<int>(std::min<int64_t>(wanted, left));
}

}  // namespace videodiffcr
