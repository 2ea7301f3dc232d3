#include "model/cpu/lane_pool.h"

#include "model/cpu/gemm.h"
#include "system/thread_niceness.h"

namespace videodiffcr::cpu {

// No std::barrier: one lane that breaks off must wake those who wait for all, and how many make a team changes with the
// plan.
struct TeamMember::SharedBarrier {
  struct Gate {
    std::atomic<int> arrived{0};
    std::atomic<uint32_t> phase{0};
  };
  Gate within;   // a job: may be broken
  Gate between;  // jobs
  std::atomic<bool> broken{false};
  int job = 0;  // the index rank 0 drew, read by the others behind a barrier
};

namespace {

// About 20 microseconds of looking before sleeping: longer than the usual difference between two lanes of a team,
// shorter than what a descheduled lane would cost the processor.
constexpr int kSpins = 400;

// Tells the processor that this is a loop that waits, so that it leaves its sibling and the memory bus alone.
inline void PauseProcessor() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void WaitWhileEqual(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    PauseProcessor();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

namespace {

// `phase`: of the gate, read before this.
template <typename Gate>
void Arrive(Gate& gate, int size, uint32_t phase) {
  if (gate.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
    gate.arrived.store(0, std::memory_order_relaxed);
    gate.phase.fetch_add(1, std::memory_order_acq_rel);
    gate.phase.notify_all();
  } else {
    WaitWhileEqual(gate.phase, phase);
  }
}

}  // namespace

void TeamMember::Barrier() {
  if (size_ == 1) return;
  // In this order: who broke off has set the mark before it moved the phase on, so a wait that it would not end is not
  // begun.
  const uint32_t phase = barrier_->within.phase.load(std::memory_order_acquire);
  if (!barrier_->broken.load(std::memory_order_acquire)) Arrive(barrier_->within, size_, phase);
  if (barrier_->broken.load(std::memory_order_acquire)) throw TeamBroken();
}

bool TeamMember::BreakOff() {
  const bool first = !barrier_->broken.exchange(true, std::memory_order_acq_rel);
  barrier_->within.phase.fetch_add(1, std::memory_order_acq_rel);
  barrier_->within.phase.notify_all();
  return first;
}

void TeamMember::Meet() {
  if (size_ > 1) Arrive(barrier_->between, size_, barrier_->between.phase.load(std::memory_order_acquire));
}

LanePool::LanePool(int lanes, int niceness) : lanes_(lanes) {
  for (int team = 0; team < lanes; ++team) barriers_.push_back(std::make_unique<TeamMember::SharedBarrier>());
  for (int lane = 1; lane < lanes; ++lane)
    workers_.emplace_back([this, lane, niceness] { WorkerMain(lane, niceness); });
}

LanePool::~LanePool() {
  stopping_.store(true, std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_acq_rel);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void LanePool::Run(int jobs, int team_size, const std::function<void(int, TeamMember&)>& job) {
  KeepMathOnThisThread();
  jobs_ = jobs;
  team_size_ = team_size;
  job_ = &job;
  next_job_.store(0, std::memory_order_relaxed);
  working_.store(lanes_ - 1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_acq_rel);
  generation_.notify_all();
  ServeLane(0);
  for (int left = working_.load(std::memory_order_acquire); left != 0;
       left = working_.load(std::memory_order_acquire)) {
    working_.wait(left, std::memory_order_acquire);
  }
}

void LanePool::WorkerMain(int lane, int niceness) {
  StandBack(niceness);
  KeepMathOnThisThread();
  uint32_t seen = 0;
  while (true) {
    WaitWhileEqual(generation_, seen);
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_.load(std::memory_order_acquire)) return;
    ServeLane(lane);
    if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_all();
  }
}

void LanePool::ServeLane(int lane) {
  const int team = lane / team_size_;
  if ((team + 1) * team_size_ > lanes_) return;  // lanes left over when the team size does not divide them
  TeamMember::SharedBarrier* barrier = barriers_[team].get();
  TeamMember member(team, lane % team_size_, team_size_, barrier);
  while (true) {
    if (member.rank() == 0) {
      barrier->job = next_job_.fetch_add(1, std::memory_order_relaxed);
      // Nobody is within a job now.
      barrier->within.arrived.store(0, std::memory_order_relaxed);
      barrier->broken.store(false, std::memory_order_relaxed);
    }
    member.Meet();
    const int index = barrier->job;
    if (index >= jobs_) return;
    (*job_)(index, member);
    member.Meet();  // nobody still reads `job` when rank 0 draws the next one
  }
}

}  // namespace videodiffcr::cpu
