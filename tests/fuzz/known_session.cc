#include "tests/fuzz/known_session.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace videodiffcr {

std::string& Trace() {
  static auto& trace = *new std::string();
  return trace;
}

void Demand(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "%s\nbehind these moves:%s\n", what.c_str(), Trace().c_str());
  std::abort();
}

int64_t KnownSession::ChunksToCome() const {
  if (paused || finish_said) return received;
  return length > 0 ? std::min(granted, length) : granted;
}

void KnownSession::Say(const v1::StreamVideoRequest& request) {
  const bool in_time = !MayBeOver();
  if (request.has_update() || request.has_scene_cut()) {
    if (in_time) changes.insert(next_update_id);
    ++next_update_id;
  }
  if (request.has_credit()) granted += request.credit().chunks();
  if (request.has_pause()) {
    pause_owed = pause_owed || (in_time && !paused);
    paused = true;
  }
  if (request.has_unpause()) paused = pause_owed = false;
  if (request.has_finish()) finish_said = true;
  if (request.has_snapshot() && in_time) snapshot_owed = true;
  controls.push_back(request);
}

void KnownSession::HearFirstFragment(const v1::StreamVideoResponse& response) {
  Demand(first_fragment_frames > 0, "a first fragment that nobody has asked for");
  Demand(response.event_number() == 0, "a first fragment with a number");
  Demand(received == 0, "a first fragment behind its chunk");
  Demand(first_fragment.empty(), "a second first fragment");
  first_fragment = response.first_fragment().payload();
}

void KnownSession::HearChunk(const v1::VideoChunk& chunk) {
  Demand(chunk.sequence() > 0 || chunk.payload().substr(0, first_fragment.size()) == first_fragment,
         "a first chunk that does not begin with its first fragment");
  Demand(chunk.sequence() == received++, "a chunk out of turn");
  Demand(received <= granted, "a chunk that nobody has paid for");
}

void KnownSession::Hear(const v1::StreamVideoResponse& response) {
  if (response.has_started()) return Demand(false, "started twice");
  if (response.has_first_fragment()) return HearFirstFragment(response);
  Demand(response.event_number() > 0, "an event without a number");
  if (response.event_number() <= last_event) return;
  last_event = response.event_number();
  Demand(finished.empty(), "something behind `finished`");
  if (response.has_chunk()) HearChunk(response.chunk());
  if (response.has_update_applied()) {
    Demand(applied.insert(response.update_applied().update_id()).second, "a change that applies twice");
    Demand(response.update_applied().first_chunk() >= received, "a change of a chunk that was sent before");
  }
  if (response.has_state_changed() && response.state_changed().state() == v1::SESSION_STATE_PAUSED) {
    pause_owed = false;
  }
  if (response.has_warning()) {
    Demand(response.warning().reason() == "CHANGE_TOO_LATE" && MayBeOver(), "a warning of something else");
  }
  if (response.has_snapshot()) snapshot_owed = false;
  if (response.has_finished()) finished = response.finished().reason();
}

}  // namespace videodiffcr
