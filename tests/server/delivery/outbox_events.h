// What the outbox's tests put into it, and who listens to it.
#ifndef VIDEODIFFCR_TESTS_SERVER_DELIVERY_OUTBOX_EVENTS_H_
#define VIDEODIFFCR_TESTS_SERVER_DELIVERY_OUTBOX_EVENTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/delivery/stream_outbox.h"

namespace videodiffcr {

class RecordingListener final : public StreamOutbox::Listener {
 public:
  void OnReadable() override { ++readable; }
  void OnRoomChanged(int chunks) override { rooms.push_back(chunks); }
  int readable = 0;
  std::vector<int> rooms;
};

inline StreamEvent Chunk(int64_t sequence, size_t bytes) {
  ChunkEvent event;
  event.sequence = sequence;
  event.payload = std::string(bytes, 'x');
  return event;
}

inline StreamEvent FirstFragment(size_t bytes) {
  FirstFragmentEvent event;
  event.payload = std::string(bytes, 'f');
  return event;
}

inline StreamEvent Snapshot(int64_t next_sequence, size_t bytes) {
  SnapshotEvent event;
  event.state = std::string(bytes, 's');
  event.next_sequence = next_sequence;
  return event;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SERVER_DELIVERY_OUTBOX_EVENTS_H_
