// The command line of videodiffcr-server: the one place where flags are declared and read.
#ifndef VIDEODIFFCR_SERVER_SERVER_FLAGS_H_
#define VIDEODIFFCR_SERVER_SERVER_FLAGS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/server_config.h"

namespace videodiffcr {

// What main() needs: the server's configuration, and which model to load where.
struct CommandLine {
  ServerConfig config;
  std::string model_folder = "models/tiny";
  std::string device = "cpu";           // or "cuda"
  int threads = 0;                      // of the model, on the CPU; 0: one per core
  std::string precision = "bf16";       // on a GPU; or "fp32", "fp8"
  int gpu_sessions = 0;                 // slots on a GPU; 0: as many as fit
  std::string long_prompts = "refuse";  // of more tokens than the model takes; or "truncate"
  bool diagnose = false;                // print what a bug report needs, instead of serving
  std::string answer;                   // what --help or --version prints, instead of serving
};

// InvalidArgument names the flag, its value and what to do. `arguments` come without the program's name.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string_view>& arguments);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SERVER_FLAGS_H_
