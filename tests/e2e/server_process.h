// The real server with the real tiny model, on a port of its own.
#ifndef VIDEODIFFCR_TESTS_E2E_SERVER_PROCESS_H_
#define VIDEODIFFCR_TESTS_E2E_SERVER_PROCESS_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/process/process.h"
#include "tests/server/media/video_judge.h"
#include "tests/system/source_path.h"

namespace videodiffcr {

std::string BinaryPath(const std::string& name);
std::string TempPath(const std::string& name);

// A video file as ffprobe sees it, every frame decoded; what it complains about fails the test. The path's ending names
// the format.
JudgedVideo ProbeFile(const std::string& path);

class ServerProcess {
 public:
  // Starts it, on the tiny model unless the flags name a folder, and waits for its port. Ends the test program when the
  // server does not come up.
  explicit ServerProcess(const std::vector<std::string>& more_flags = {});

  const std::string& address() const { return address_; }
  // What it says goes there.
  const std::string& log_path() const { return log_path_; }
  Process& process() { return *process_; }

 private:
  std::unique_ptr<Process> process_;
  std::string address_;
  std::string log_path_;
};

// The client's command line against `server`.
std::vector<std::string> Generate(const ServerProcess& server, const std::vector<std::string>& flags);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_E2E_SERVER_PROCESS_H_
