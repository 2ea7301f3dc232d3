#include "server/serve_until_stopped.h"

#include <pthread.h>

#include <ctime>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr timespec kGlance = {0, 100'000'000};  // how late a lost model is seen here; sessions have heard of it by then

}  // namespace

absl::Status ServeUntilStopped(Server* server, const sigset_t& stop_signals,
                               const std::function<void()>& before_drain) {
  absl::Status health;
  while (health.ok() && sigtimedwait(&stop_signals, nullptr, &kGlance) < 0) health = server->model_health();
  pthread_sigmask(SIG_UNBLOCK, &stop_signals, nullptr);
  before_drain();
  server->Drain();
  if (health.ok()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("lost its model, start it again: ", health.message()));
}

}  // namespace videodiffcr
