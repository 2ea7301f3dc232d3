// Jobs and their videos in a folder: bounded, and still there after a restart.
#ifndef VIDEODIFFCR_GATEWAY_JOBS_JOB_STORE_H_
#define VIDEODIFFCR_GATEWAY_JOBS_JOB_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gateway/gateway_metrics.h"
#include "gateway/jobs/job.h"
#include "system/scratch_folder.h"
#include "threading/clock.h"
#include "threading/mutex.h"

namespace videodiffcr {

struct JobStoreOptions {
  std::string folder;                     // empty: a new one among the temporary files, removed at the end
  int64_t max_bytes = int64_t{1} << 30;   // of videos; the oldest finished ones go when more is needed
  int max_jobs = 1000;                    // the same
  absl::Duration keep = absl::Hours(24);  // a job that has ended
};

// Thread-safe; its calls wait for the disk. A job is <id>.json beside <id>.mp4, each written whole or not at all.
class JobStore {
 public:
  using UnixTime = std::function<int64_t()>;
  // Reads what the folder holds: finished jobs stay, and so does whatever has its video, others have failed by the
  // restart. Unavailable when the folder cannot be made or written. `now` is what people are told; `clock`, which is
  // steady, says when a job goes, so that a step of the wall clock takes nobody's video away. It and `metrics` outlive
  // the store.
  static absl::StatusOr<std::unique_ptr<JobStore>> Open(const JobStoreOptions& options, UnixTime now,
                                                        const Clock* clock, GatewayMetrics* metrics);
  ~JobStore();

  // A new job that waits. ResourceExhausted when there are too many that have not ended.
  absl::StatusOr<Job> Add(const JobRequest& request, const std::string& owner);
  // NotFound, also for a job of somebody else.
  absl::StatusOr<Job> Get(const std::string& id, const std::string& owner) const;
  // Of that owner, the oldest first.
  std::vector<Job> List(const std::string& owner) const;
  absl::Status Delete(const std::string& id, const std::string& owner);
  // Removes jobs whose time is over.
  void Sweep();

  // --- of a job that is being made; each answers false when it was deleted meanwhile ---
  bool SetProgress(const std::string& id, int percent, uint64_t seed);
  // ResourceExhausted when the video has no room. What is written is seen by nobody until Complete().
  absl::Status Write(const std::string& id, const std::string& bytes);
  bool Complete(const std::string& id);
  bool Fail(const std::string& id, const absl::Status& status);

  // Where the video of a completed job is.
  std::string VideoPath(const std::string& id) const;

 private:
  JobStore(const JobStoreOptions& options, UnixTime now, const Clock* clock, GatewayMetrics* metrics)
      : options_(options), now_(std::move(now)), clock_(clock), metrics_(metrics) {}
  absl::Status Prepare();
  void Load(const std::string& id);
  void Save(const Job& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Remove(const std::string& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether `bytes` more, and one job more, have a place once the oldest ended jobs have gone.
  bool MakeRoom(int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Finish(const std::string& id, Job::State state, nlohmann::json error);

  JobStoreOptions options_;               // constant after Prepare()
  std::optional<ScratchFolder> scratch_;  // the same: where no folder was named
  const UnixTime now_;
  const Clock* const clock_;
  GatewayMetrics* const metrics_;
  mutable Mutex mutex_;
  std::map<std::string, Job> jobs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Time> goes_at_ ABSL_GUARDED_BY(mutex_);  // of jobs that have ended, by the clock
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A name for whoever sent this Authorization, from which it cannot be found out.
std::string OwnerOf(absl::string_view authorization);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_JOBS_JOB_STORE_H_
