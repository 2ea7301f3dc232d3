#include "server/serve_until_stopped.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "system/signals.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kGlance =
    absl::Milliseconds(100);  // how late a lost model is seen here; sessions have heard of it by then

}  // namespace

absl::Status ServeUntilStopped(Server* server, const sigset_t& stop_signals,
                               const std::function<void()>& before_drain) {
  absl::Status health;
  while (health.ok() && !TakeSignal(stop_signals, kGlance)) health = server->model_health();
  UnblockSignals(stop_signals);
  before_drain();
  server->Drain();
  if (health.ok()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("lost its model, start it again: ", health.message()));
}

}  // namespace videodiffcr
