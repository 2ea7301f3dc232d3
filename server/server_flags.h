// The command line of videodiffcr-server: the one place where flags are declared and read.
#ifndef VIDEODIFFCR_SERVER_SERVER_FLAGS_H_
#define VIDEODIFFCR_SERVER_SERVER_FLAGS_H_

#include <string>

#include "absl/status/statusor.h"
#include "server/server_config.h"

namespace videodiffcr {

// What main() needs: the server's configuration, and which model to load where.
struct CommandLine {
  ServerConfig config;
  std::string model_folder;
  std::string device;     // "cpu" or "cuda"
  int threads = 0;        // of the model, on the CPU; 0: one per core
  std::string precision;  // on a GPU: "fp32", "bf16" or "fp8"
  int gpu_sessions = 0;   // slots on a GPU; 0: as many as fit
};

// What --help says of the program. Call once, before ParseCommandLine().
void DescribeProgram();

// Reads argv. --help and flags that do not exist or do not parse are answered on the terminal and end the process, as
// Abseil's flags do. InvalidArgument for values out of range and for words that are no flags.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, char** argv);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SERVER_FLAGS_H_
