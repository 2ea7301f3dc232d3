#include "gateway/live/live_sessions.h"

#include <iterator>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "gateway/error_response.h"
#include "gateway/random_id.h"

namespace videodiffcr {
namespace {

constexpr int kKeptPerRunning = 4;

}  // namespace

LiveSessions::LiveSessions(const LiveSessionsOptions& options, const Clock* clock, ServerPool* pool,
                           GatewayMetrics* metrics)
    : options_(options), clock_(clock), pool_(pool), metrics_(metrics) {}

void LiveSessions::Stop() {
  std::map<std::string, Entry> sessions;
  {
    MutexLock lock(&mutex_);
    sessions.swap(sessions_);
  }
  // All first, so that they end side by side.
  for (const auto& [id, entry] : sessions) entry.session->Cancel();
  for (const auto& [id, entry] : sessions) entry.session->Stop();
}

absl::StatusOr<std::shared_ptr<LiveSession>> LiveSessions::Start(LiveRequest request, const std::string& authorization,
                                                                 LiveSession::OnStarted on_started) {
  const auto session =
      std::make_shared<LiveSession>(RandomId(), std::move(request), authorization, options_.limits, pool_, metrics_);
  {
    MutexLock lock(&mutex_);
    if (Running() >= options_.max_sessions) {
      return GatewayError(absl::StatusCode::kResourceExhausted, "TOO_MANY_LIVE_SESSIONS",
                          absl::StrCat(options_.max_sessions, " live sessions run already (--max-live-sessions)"));
    }
    sessions_[session->id()] = {session, clock_->Now()};
  }
  absl::Cleanup forget = [&] {  // one that there is no memory to begin would keep its place
    MutexLock lock(&mutex_);
    sessions_.erase(session->id());
  };
  session->Start(std::move(on_started));
  std::move(forget).Cancel();
  return session;
}

absl::StatusOr<std::shared_ptr<LiveSession>> LiveSessions::Find(const std::string& id) {
  MutexLock lock(&mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    return GatewayError(absl::StatusCode::kNotFound, "NO_SUCH_SESSION",
                        "there is no live session of this id; it may have ended some time ago");
  }
  found->second.last_look = clock_->Now();
  return found->second.session;
}

absl::StatusOr<std::shared_ptr<void>> LiveSessions::Watch(const std::shared_ptr<LiveSession>& session) {
  if (viewers_->fetch_add(1) >= options_.max_viewers) {
    --*viewers_;
    return GatewayError(absl::StatusCode::kResourceExhausted, "TOO_MANY_VIEWERS",
                        absl::StrCat(options_.max_viewers, " viewers watch already (--max-viewers)"));
  }
  metrics_->viewers->Increment();
  session->AddViewer();
  return std::shared_ptr<void>(nullptr, [session, metrics = metrics_, viewers = viewers_](void*) {
    session->RemoveViewer();
    metrics->viewers->Decrement();
    --*viewers;
  });
}

void LiveSessions::Sweep() {
  std::vector<std::shared_ptr<LiveSession>> gone;  // destroyed without the lock
  MutexLock lock(&mutex_);
  const absl::Time now = clock_->Now();
  const bool too_many = static_cast<int>(sessions_.size()) > kKeptPerRunning * options_.max_sessions;
  for (auto entry = sessions_.begin(); entry != sessions_.end();) {
    Entry& current = entry->second;
    if (current.session->viewers() > 0) current.last_look = now;
    if (current.session->ended() && current.ended == absl::InfiniteFuture()) current.ended = now;
    if (!current.session->ended() && now - current.last_look >= options_.abandoned_after) current.session->Cancel();
    const bool forget = current.session->ended() && (too_many || now - current.ended >= options_.keep_ended);
    if (forget) gone.push_back(std::move(current.session));
    entry = forget ? sessions_.erase(entry) : std::next(entry);
  }
  metrics_->live_sessions->Set(Running());
}

int LiveSessions::Running() const {
  int running = 0;
  for (const auto& [id, entry] : sessions_) running += entry.session->ended() ? 0 : 1;
  return running;
}

}  // namespace videodiffcr
