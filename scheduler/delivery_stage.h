// The threads between the engine and the sinks. They decode chunks and make every call of every sink.
//
// A session is in the hands of one thread at a time, and its events go in order, one per turn: sessions take turns,
// calls of one sink never overlap, and a slow sink holds one thread for one call.
#ifndef VIDEODIFFCR_SCHEDULER_DELIVERY_STAGE_H_
#define VIDEODIFFCR_SCHEDULER_DELIVERY_STAGE_H_

#include <thread>
#include <vector>

#include "scheduler/scheduler_state.h"

namespace videodiffcr {

class DeliveryStage {
 public:
  // Starts state->config.delivery_threads threads. `state` outlives this.
  explicit DeliveryStage(SchedulerState* state);
  // state->deliveries must be closed, so that the threads end; joins them.
  ~DeliveryStage();
  DeliveryStage(const DeliveryStage&) = delete;
  DeliveryStage& operator=(const DeliveryStage&) = delete;

 private:
  void Run();
  // Takes one event of the session to its sink.
  void DeliverOne(SessionId id);
  void DeliverChunk(SessionRecord* session, FinishedChunk chunk);
  void Fail(SessionRecord* session, absl::Status status);
  // After an event: the session queues again if it has more; a session whose end was told is gone.
  void Return(SessionRecord* session, bool told_end);

  SchedulerState* const state_;
  std::vector<std::thread> threads_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_DELIVERY_STAGE_H_
