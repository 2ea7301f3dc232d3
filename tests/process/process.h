// Child processes of tests.
#ifndef VIDEODIFFCR_TESTS_PROCESS_PROCESS_H_
#define VIDEODIFFCR_TESTS_PROCESS_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace videodiffcr {

// A running program. Its standard output and error come together, through a pipe or into a file. Killed when it goes
// out of scope.
class Process {
 public:
  // `arguments[0]` is the program, looked up in PATH unless it has a slash. With an `output_path` the output goes
  // there: for programs that run long while nobody reads.
  explicit Process(const std::vector<std::string>& arguments, const std::string& output_path = "");
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Reads output until it contains `text`; false when the output ends first.
  bool ReadUntil(const std::string& text);

  void Signal(int signal);

  bool running();
  pid_t pid() const { return pid_; }

  // Reads the rest of the output and waits for the end. The exit status, or 128 + signal.
  int Wait();

  // All output read so far; stays empty with an `output_path`.
  const std::string& output() const { return output_; }

 private:
  bool ReadSome();

  pid_t pid_ = -1;
  int pipe_ = -1;
  int status_ = -1;  // exit status once known
  std::string output_;
};

struct Finished {
  int status;
  std::string output;
};

// Runs a program to its end.
Finished RunProgram(const std::vector<std::string>& arguments);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_PROCESS_PROCESS_H_
