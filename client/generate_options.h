// Flags of `videodiffcr generate`.
#ifndef VIDEODIFFCR_CLIENT_GENERATE_OPTIONS_H_
#define VIDEODIFFCR_CLIENT_GENERATE_OPTIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "client/change_schedule.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

struct GenerateOptions {
  std::string prompt;
  int64_t chunks = 8;  // 0: until interrupted
  uint64_t seed = 0;   // 0: the server picks one
  double budget = 1.0;
  std::map<int64_t, PlannedChange> changes;     // by chunk
  std::optional<double> playout_seconds = 0.0;  // start buffer; nullopt: no deadlines
  std::string server = "localhost:50051";
  std::string output = "video.mp4";  // "-": standard output
  std::string contact_sheet;         // empty: none

  bool to_standard_output() const { return output == "-"; }
};

// InvalidArgument naming the flag, its value and what to do.
absl::StatusOr<GenerateOptions> ParseGenerateOptions(const std::vector<std::string_view>& arguments);

std::string GenerateHelp();

// The first message of the call.
v1::SessionConfig ToSessionConfig(const GenerateOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_GENERATE_OPTIONS_H_
