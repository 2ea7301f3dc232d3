// A session as its client knows it, for message_order_fuzz.cc.
#ifndef VIDEODIFFCR_TESTS_FUZZ_KNOWN_SESSION_H_
#define VIDEODIFFCR_TESTS_FUZZ_KNOWN_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// The moves of the walk, told when one goes wrong.
std::string& Trace();

// Ends the program with `what` and the moves, unless it holds: require.h with a trace.
void Demand(bool holds, const std::string& what);

// What the client of one session knows, over all its calls, and what follows from it by the page.
struct KnownSession {
  bool resumable = false;
  int64_t length = 0;  // 0: until `finish`
  int first_fragment_frames = 0;
  // Said.
  int64_t granted = 0;
  bool paused = false;
  bool finish_said = false;
  std::vector<v1::StreamVideoRequest> controls;  // all but acks: what is lost with a call is said again
  size_t forbidden = 0;       // messages beside these; one that meets the session's end may still count as taken
  std::set<int64_t> changes;  // update ids of changes that came in time whatever happened
  int64_t next_update_id = 1;
  // Heard.
  std::string id, token;
  int64_t received = 0;
  std::string first_fragment;
  int64_t last_event = 0;
  std::set<int64_t> applied;
  std::string finished;  // reason
  // Owed.
  bool pause_owed = false;
  bool snapshot_owed = false;

  // It may have made its last chunk, or be about to.
  bool MayBeOver() const { return finish_said || (length > 0 && granted >= length); }
  int64_t ChunksToCome() const;

  // A message that the page allows, which goes to the server now.
  void Say(const v1::StreamVideoRequest& request);
  // What the server says, all but the start of a call: what the page does not allow is told.
  void Hear(const v1::StreamVideoResponse& response);

 private:
  void HearFirstFragment(const v1::StreamVideoResponse& response);
  void HearChunk(const v1::VideoChunk& chunk);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_FUZZ_KNOWN_SESSION_H_
