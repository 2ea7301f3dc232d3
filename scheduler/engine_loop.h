// The engine thread: the only one that calls VideoModel's BeginSession(), Run() and EndSession().
//
// One turn: end the sessions that are over, begin those that were admitted, plan, run the plan. Between two plans it
// sees every control and cancellation. It waits only when no session has a next step; never for a decode or a sink.
#ifndef VIDEODIFFCR_SCHEDULER_ENGINE_LOOP_H_
#define VIDEODIFFCR_SCHEDULER_ENGINE_LOOP_H_

#include <thread>
#include <vector>

#include "scheduler/scheduler_state.h"

namespace videodiffcr {

class EngineLoop {
 public:
  // Starts the thread. `state` outlives this.
  explicit EngineLoop(SchedulerState* state);
  // state->stopping must be set and every session cancelled, so that the thread ends; joins it.
  ~EngineLoop();
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

 private:
  // What one turn does to the model, in this order.
  struct Turn {
    std::vector<SessionId> ending;
    std::vector<SessionId> beginning;
    StepPlan plan;
    bool stop = false;
  };

  void Run();
  // Waits until there is something to do.
  Turn NextTurn();
  void End(SessionId id);
  void Begin(SessionId id);
  void RunPlan(const StepPlan& plan);

  SchedulerState* const state_;
  std::thread thread_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_ENGINE_LOOP_H_
