// A videodiffcr-server of this build, for the time of a measurement.
#ifndef VIDEODIFFCR_BENCH_MEASURED_SERVER_H_
#define VIDEODIFFCR_BENCH_MEASURED_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/child_process.h"
#include "system/scratch_folder.h"

namespace videodiffcr {

class MeasuredServer {
 public:
  // Starts the videodiffcr-server that lies beside this program, on a free port, and waits until it serves. When it
  // ends instead, FailedPrecondition carries what it printed.
  static absl::StatusOr<std::unique_ptr<MeasuredServer>> Start(const std::vector<std::string>& flags);
  // Asks it to end and waits for that; kills it after half a minute.
  ~MeasuredServer();
  MeasuredServer(const MeasuredServer&) = delete;
  MeasuredServer& operator=(const MeasuredServer&) = delete;

  const std::string& address() const { return address_; }
  absl::Duration ready_after() const { return ready_after_; }  // from its start
  int64_t ResidentBytes() const;                               // of its memory in use now; 0 when it has ended

 private:
  explicit MeasuredServer(ScratchFolder folder) : folder_(std::move(folder)) {}
  absl::Status Spawn(const std::vector<std::string>& flags);
  absl::Status WaitUntilItServes();

  const ScratchFolder folder_;  // its ports and its output; it goes last, since the process may still write there
  std::unique_ptr<ChildProcess> process_;
  std::string address_;
  absl::Duration ready_after_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_MEASURED_SERVER_H_
