// A fixed set of threads that carry out the sessions of one plan side by side.
//
// The calling thread is lane 0; `lanes - 1` further threads wait between calls. A job (one session's step) is carried
// out by a team of one or more lanes, which meet at barriers. The arithmetic of a job never depends on the size of its
// team: rows are split into a fixed number of groups (transformer.h), and a smaller team takes several groups in
// turn.
//
// Run() belongs to one thread at a time, the engine thread; from then on that thread's BLAS uses no other thread.
// Bounded by construction: no queue, a call returns when all is done.
#ifndef VIDEODIFFCR_MODEL_CPU_LANE_POOL_H_
#define VIDEODIFFCR_MODEL_CPU_LANE_POOL_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace videodiffcr::cpu {

// Thrown at the barriers of a job that another member has broken off.
struct TeamBroken {};

// One lane's view of its team, valid during the job.
class TeamMember {
 public:
  int rank() const { return rank_; }  // 0 .. size - 1
  int size() const { return size_; }
  int team() const { return team_; }  // index of the team among those of this call: names its scratch memory

  // Returns when all members of the team have called it as often. Throws TeamBroken when one of them has broken off.
  void Barrier();
  // For a member that cannot go on with this job, say for want of memory: the others' Barrier() throws from now on, so
  // that the whole team leaves the job. Whether it was the first to break off.
  bool BreakOff();

 private:
  friend class LanePool;
  struct SharedBarrier;
  void Meet();  // between jobs, where nobody breaks off
  TeamMember(int team, int rank, int size, SharedBarrier* barrier)
      : team_(team), rank_(rank), size_(size), barrier_(barrier) {}
  const int team_, rank_, size_;
  SharedBarrier* const barrier_;
};

class LanePool {
 public:
  // `lanes`: at least 1. The threads stand back by `niceness` (system/thread_niceness.h), that which calls Run() does
  // not.
  explicit LanePool(int lanes, int niceness = 0);
  ~LanePool();

  int lanes() const { return lanes_; }

  // Calls job(index, member) for every index in [0, jobs), each on a team of `team_size` lanes (every member gets the
  // call). Teams take the next index as they become free. team_size must be 1 .. lanes. A job must not throw: it
  // catches TeamBroken like its own exceptions.
  void Run(int jobs, int team_size, const std::function<void(int index, TeamMember& member)>& job);

 private:
  void WorkerMain(int lane, int niceness);
  void ServeLane(int lane);

  const int lanes_;
  std::vector<std::thread> workers_;

  // Set by Run() before the generation moves on, constant while lanes work.
  int jobs_ = 0;
  int team_size_ = 1;
  const std::function<void(int, TeamMember&)>* job_ = nullptr;
  std::vector<std::unique_ptr<TeamMember::SharedBarrier>> barriers_;  // one per team

  std::atomic<uint32_t> generation_{0};
  std::atomic<int> working_{0};
  std::atomic<int> next_job_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_LANE_POOL_H_
