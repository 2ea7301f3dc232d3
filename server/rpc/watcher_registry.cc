#include "server/rpc/watcher_registry.h"

#include "absl/strings/str_cat.h"
#include "server/rpc/error_details.h"

namespace videodiffcr {

absl::StatusOr<WatcherRegistry::Slot> WatcherRegistry::Enter() {
  MutexLock lock(&mutex_);
  if (watchers_ >= max_watchers_) {
    return WithQuotaFailure(WithErrorInfo(absl::ResourceExhaustedError(absl::StrCat("the server has ", max_watchers_,
                                                                                    " watchers; try again later")),
                                          "TOO_MANY_WATCHERS", {{"limit", absl::StrCat(max_watchers_)}}),
                            "server", absl::StrCat("at most ", max_watchers_, " watchers"));
  }
  gauge_->Set(++watchers_);
  return Slot(this);
}

void WatcherRegistry::Leave() {
  MutexLock lock(&mutex_);
  gauge_->Set(--watchers_);
}

}  // namespace videodiffcr
