// Flags of `videodiffcr generate`.
#ifndef VIDEODIFFCR_CLIENT_GENERATE_OPTIONS_H_
#define VIDEODIFFCR_CLIENT_GENERATE_OPTIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/change_schedule.h"
#include "client/channel_security.h"
#include "command_line/command.h"
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
  ChannelSecurity security;
  bool play = false;                         // in a player, while it is made
  std::optional<int> first_fragment_frames;  // ahead of the first chunk; none: 1 to be played, else 0
  std::string prompts_file;                  // instead of `prompt`; empty: none
  int at_once = 4;                           // of its prompts

  bool to_standard_output() const { return output == "-"; }
};

// The flags, and what they must say together. They write to `options`, which must outlive `command`.
void AddGenerateFlags(GenerateOptions* options, Command* command);

// The first message of the call.
v1::SessionConfig ToSessionConfig(const GenerateOptions& options);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_GENERATE_OPTIONS_H_
