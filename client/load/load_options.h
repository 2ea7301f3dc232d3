// Flags of `videodiffcr load`.
#ifndef VIDEODIFFCR_CLIENT_LOAD_LOAD_OPTIONS_H_
#define VIDEODIFFCR_CLIENT_LOAD_LOAD_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/channel_security.h"
#include "client/load/arrivals.h"
#include "client/load/requirements.h"
#include "command_line/command.h"

namespace videodiffcr {

struct LoadServer {
  std::string address = "localhost:50051";
  ChannelSecurity security;
  absl::Duration patience = absl::Seconds(10);  // for it to answer
};

// What a session asks for, and how far the server may lower it.
struct LoadBudget {
  double target = 1;
  std::optional<double> floor;  // none: LoadOptions::floor
};

struct LoadOptions {
  LoadServer server;
  Arrivals arrivals;
  absl::Duration duration = absl::Seconds(30);  // no session begins after it
  int max_viewers = 512;                        // at once; more arrivals are not started, and counted

  // Each session takes one of each, at random.
  std::vector<std::string> prompts;  // empty: the server's example prompts
  std::vector<LoadBudget> budgets = {LoadBudget()};
  std::optional<double> floor;  // of budgets without one of their own; none: as the budget
  int least_chunks = 8, most_chunks = 8;
  double batch_share = 0;  // of sessions, of the batch class

  std::optional<double> playout_seconds = 0.75;  // start buffer; none: no deadlines
  int run_ahead = 4;                             // chunks; 0: no limit
  int first_fragment_frames = 0;                 // ahead of the first chunk

  double slow_share = 0;  // of sessions, those who wait before they take the next chunk
  absl::Duration slow_pause = absl::Seconds(1);
  double cut_share = 0;     // of chunks, those behind which the connection breaks
  double kill_share = 0;    // of sessions, those that are cancelled at a random chunk or before any
  double verify_share = 0;  // of sessions, those that are held against an uninterrupted run of the same seed

  uint64_t seed = 1;
  std::string json_file, plot_file, compare_file;  // empty: none
  std::vector<Requirement> requirements;
};

// The flags, and what they must say together. They write to `options`, which must outlive `command`.
void AddLoadFlags(LoadOptions* options, Command* command);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_LOAD_LOAD_OPTIONS_H_
