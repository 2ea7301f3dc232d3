#include "server/access/tenant.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace videodiffcr {

std::optional<double> Tenant::floor() const {
  MutexLock lock(&mutex_);
  return limits_.floor;
}

TenantLimits Tenant::limits() const {
  MutexLock lock(&mutex_);
  return limits_;
}

void Tenant::SetLimits(const TenantLimits& limits) {
  MutexLock lock(&mutex_);
  limits_ = limits;
  if (limits_.chunks_per_minute.has_value()) {
    chunks_ = std::min(chunks_, static_cast<double>(*limits_.chunks_per_minute));
  }
}

std::optional<QuotaRefusal> Tenant::EnterSession() {
  MutexLock lock(&mutex_);
  if (limits_.max_sessions.has_value() && sessions_ >= *limits_.max_sessions) {
    return QuotaRefusal{"max_sessions", absl::StrCat("at most ", *limits_.max_sessions, " sessions at once"), {}};
  }
  ++sessions_;
  return std::nullopt;
}

void Tenant::LeaveSession() {
  MutexLock lock(&mutex_);
  --sessions_;
}

std::optional<QuotaRefusal> Tenant::EnterQueue() {
  MutexLock lock(&mutex_);
  if (limits_.max_waiting_sessions.has_value() && waiting_ >= *limits_.max_waiting_sessions) {
    return QuotaRefusal{
        "max_waiting_sessions", absl::StrCat("at most ", *limits_.max_waiting_sessions, " sessions that wait"), {}};
  }
  ++waiting_;
  return std::nullopt;
}

void Tenant::LeaveQueue() {
  MutexLock lock(&mutex_);
  --waiting_;
}

void Tenant::Refill(double per_minute, absl::Time now) {
  // The first look finds a whole minute's worth.
  const double minutes =
      refilled_.has_value() ? std::max(0.0, absl::FDivDuration(now - *refilled_, absl::Minutes(1))) : 1.0;
  chunks_ = std::min(per_minute, chunks_ + minutes * per_minute);
  refilled_ = now;
}

std::optional<QuotaRefusal> Tenant::LookForChunk(absl::Time now) {
  MutexLock lock(&mutex_);
  if (!limits_.chunks_per_minute.has_value()) return std::nullopt;
  const auto per_minute = static_cast<double>(*limits_.chunks_per_minute);
  Refill(per_minute, now);
  if (chunks_ >= 1) return std::nullopt;
  const absl::Duration until_next = per_minute > 0 ? absl::Minutes((1 - chunks_) / per_minute) : absl::ZeroDuration();
  return QuotaRefusal{"chunks_per_minute", absl::StrCat("at most ", *limits_.chunks_per_minute, " chunks per minute"),
                      until_next};
}

absl::Duration Tenant::TakeChunk(absl::Time now) {
  MutexLock lock(&mutex_);
  if (!limits_.chunks_per_minute.has_value()) return absl::ZeroDuration();
  const auto per_minute = static_cast<double>(*limits_.chunks_per_minute);
  if (per_minute == 0) return absl::InfiniteDuration();
  Refill(per_minute, now);
  chunks_ -= 1;
  return chunks_ >= 1 ? absl::ZeroDuration() : absl::Minutes((1 - chunks_) / per_minute);
}

}  // namespace videodiffcr
