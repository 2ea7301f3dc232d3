// What a client and its connection allow: credits in chunks and in encoded bytes, and how many chunks the transport has
// room for; and what its tenant allows, which is a matter of time. Not thread-safe.
#ifndef VIDEODIFFCR_SCHEDULER_FLOW_CONTROL_H_
#define VIDEODIFFCR_SCHEDULER_FLOW_CONTROL_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "scheduler/session_types.h"

namespace videodiffcr {

class FlowControl {
 public:
  FlowControl(int64_t chunk_credits, int64_t byte_credits)
      : chunk_credits_(chunk_credits), byte_credits_(byte_credits) {}

  int64_t chunk_credits() const { return chunk_credits_; }
  int64_t byte_credits() const { return byte_credits_; }

  void AddCredits(int64_t chunks, int64_t bytes) {
    Add(&chunk_credits_, chunks);
    Add(&byte_credits_, bytes);
  }
  // Chunks, those in the making included; 0: it takes no more for now.
  void SetTransportRoom(int chunks) { transport_room_ = chunks; }
  void Hold(const ChunkHold& hold) { hold_ = hold; }
  // Whether a hold has ended by `now`.
  bool EndHold(absl::Time now) {
    if (!hold_.has_value() || now < hold_->until) return false;
    hold_.reset();
    return true;
  }
  std::optional<absl::Time> held_until() const {
    return hold_.has_value() ? std::optional<absl::Time>(hold_->until) : std::nullopt;
  }

  // A chunk is paid for when it is started, and its bytes when they are known.
  void ChunkStarted() {
    if (chunk_credits_ != kUnlimitedCredits) --chunk_credits_;
  }
  void ChunkEncoded(int64_t bytes) {
    if (byte_credits_ != kUnlimitedCredits) byte_credits_ -= bytes;
  }

  // What its client does to let no chunk be started, in words for the client; nullptr when it does nothing of that
  // kind.
  const char* ClientsBlockReason() const {
    if (chunk_credits_ <= 0) return "out of chunk credits";
    if (byte_credits_ <= 0) return "out of byte credits";
    if (transport_room_ == 0) return "the connection takes no more bytes";
    return nullptr;
  }

  // Why no chunk may be started, in words for the client; nullptr when one may.
  const char* BlockReason() const {
    const char* const reason = ClientsBlockReason();
    return reason == nullptr && hold_.has_value() ? hold_->reason : reason;
  }

  // Chunks that are made and not yet encoded will fill the transport's room. With byte credits only the chunk that
  // crosses the limit may still leave, so the sizes of all before it must be known.
  bool MayStartChunk(int chunks_not_encoded) const {
    if (BlockReason() != nullptr || chunks_not_encoded >= transport_room_) return false;
    return byte_credits_ == kUnlimitedCredits || chunks_not_encoded == 0;
  }

 private:
  // Grants add up, but a finite sum never becomes "unlimited". A debt (bytes of the chunk that crossed) is paid first.
  static void Add(int64_t* credits, int64_t more) {
    if (*credits == kUnlimitedCredits) return;
    const int64_t room = kUnlimitedCredits - 1 - (*credits > 0 ? *credits : 0);
    *credits += more < room ? more : room;
  }

  int64_t chunk_credits_;
  int64_t byte_credits_;
  int transport_room_ = kUnlimitedRoom;
  std::optional<ChunkHold> hold_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_FLOW_CONTROL_H_
