// Makes the videos of jobs, a few at a time.
#ifndef VIDEODIFFCR_GATEWAY_JOBS_JOB_RUNNER_H_
#define VIDEODIFFCR_GATEWAY_JOBS_JOB_RUNNER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/video_client.h"
#include "gateway/jobs/job_store.h"
#include "gateway/server_pool.h"
#include "gateway/worker_pool.h"
#include "threading/mutex.h"

namespace videodiffcr {

// The chunks that are at least `seconds` long, from one whose first chunk has `first_frames`, the others `frames`.
int64_t ChunksFor(double seconds, int first_frames, int frames, int frames_per_second);

// Thread-safe. A thread per job that is being made; it waits for the server and the disk.
class JobRunner {
 public:
  // Both outlive this.
  JobRunner(int at_once, size_t max_waiting, ServerPool* pool, JobStore* store);
  // Cancels what is being made: such a job has failed by the restart.
  ~JobRunner();

  // ResourceExhausted when too many wait already. `authorization` goes to the server.
  absl::Status Start(const Job& job, const std::string& authorization);
  // Ends the making of a job that was deleted.
  void Cancel(const std::string& id);

 private:
  void Make(const Job& job, const std::string& authorization);
  absl::Status Generate(const Job& job, const std::string& authorization);
  absl::Status Follow(VideoCall* call, const std::string& id);

  ServerPool* const pool_;
  JobStore* const store_;
  Mutex mutex_;
  std::map<std::string, VideoCall*> calls_ ABSL_GUARDED_BY(mutex_);  // by job
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<WorkerPool> workers_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_JOBS_JOB_RUNNER_H_
