// What a tenant has in use, against what it may.
#ifndef VIDEODIFFCR_SERVER_ACCESS_TENANT_H_
#define VIDEODIFFCR_SERVER_ACCESS_TENANT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/access/tenant_file.h"
#include "threading/mutex.h"

namespace videodiffcr {

// A limit that is used up.
struct QuotaRefusal {
  const char* limit = "";      // "max_sessions": the field of the tenants' file
  std::string description;     // "at most 4 sessions at once"
  absl::Duration retry_after;  // when there is something to be had again; 0: nobody knows
};

// Thread-safe. Shared by the sessions that count against it, which may outlive its entry in the file.
class Tenant {
 public:
  Tenant(std::string name, const TenantLimits& limits) : name_(std::move(name)), limits_(limits) {}

  const std::string& name() const { return name_; }
  std::optional<double> floor() const;
  TenantLimits limits() const;
  void SetLimits(const TenantLimits& limits);

  // Takes a session's place; nothing when it was taken.
  std::optional<QuotaRefusal> EnterSession();
  void LeaveSession();

  // A session waits for the server's memory; nothing when it may.
  std::optional<QuotaRefusal> EnterQueue();
  void LeaveQueue();

  // Whether a chunk may be made at `now`; nothing when it may.
  std::optional<QuotaRefusal> LookForChunk(absl::Time now);
  // Counts one that has been made, allowed or not: after how long the next one may be, which is InfiniteDuration() for
  // never. What was made too early is made good by that wait, so that a minute has its number in the long run.
  absl::Duration TakeChunk(absl::Time now);

 private:
  const std::string name_;
  mutable Mutex mutex_;
  TenantLimits limits_ ABSL_GUARDED_BY(mutex_);
  int64_t sessions_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  void Refill(double per_minute, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Chunks that may be made now, or fewer than none: refilled by the minute's share, a minute's worth at most.
  double chunks_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<absl::Time> refilled_ ABSL_GUARDED_BY(mutex_);
};

// One session's places with its tenant, given back when this object goes. One thread at a time.
class TenantPlace {
 public:
  TenantPlace() = default;
  // A place that `tenant` has given.
  explicit TenantPlace(std::shared_ptr<Tenant> tenant) : tenant_(std::move(tenant)) {}
  TenantPlace(TenantPlace&& other) noexcept : tenant_(std::move(other.tenant_)) {}
  TenantPlace& operator=(TenantPlace&& other) noexcept {
    std::swap(tenant_, other.tenant_);
    return *this;
  }
  ~TenantPlace() { Release(); }
  // Gives the place back now.
  void Release() {
    if (const std::shared_ptr<Tenant> tenant = std::exchange(tenant_, nullptr); tenant != nullptr)
      tenant->LeaveSession();
  }

 private:
  std::shared_ptr<Tenant> tenant_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_TENANT_H_
