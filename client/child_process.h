// A program that this one starts.
#ifndef VIDEODIFFCR_CLIENT_CHILD_PROCESS_H_
#define VIDEODIFFCR_CLIENT_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace videodiffcr {

struct ChildStreams {
  int* stdin_pipe = nullptr;  // set: what is written there is its standard input; the caller closes it
  std::string output_file;    // set: its standard output and error go there
};

// One thread at a time. The child ends with its parent, however that ends.
class ChildProcess {
 public:
  // `arguments[0]` is the program, looked up in PATH unless it has a slash. Its streams are ours but for `streams`.
  // NotFound when it cannot be run.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(const std::vector<std::string>& arguments,
                                                             const ChildStreams& streams = {});
  // Stops it.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Its exit status, or 128 + signal, once it has ended.
  std::optional<int> exit_status();
  // Waits for its end.
  int Wait();
  // SIGTERM, and SIGKILL when it has not ended after `grace`. Its exit status.
  int Stop(absl::Duration grace = absl::Seconds(30));

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}

  const pid_t pid_;
  std::optional<int> exit_status_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_CHILD_PROCESS_H_
