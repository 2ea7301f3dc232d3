// Makes what step n needs while step n - 1 runs, so that a GPU need not wait for captions.
#ifndef VIDEODIFFCR_TRAINING_RUN_STEP_AHEAD_H_
#define VIDEODIFFCR_TRAINING_RUN_STEP_AHEAD_H_

#include <ATen/Parallel.h>

#include <cstdint>
#include <functional>
#include <future>
#include <utility>

namespace videodiffcr::training {

// `make` depends on the step alone and touches nothing that a step changes. It always runs on a thread of its own, with
// as many processor threads as the caller has: a run that was interrupted makes the same bits.
template <typename Value>
class StepAhead {
 public:
  explicit StepAhead(std::function<Value(int64_t step)> make) : make_(std::move(make)) {}

  // What `step` needs; from here on the next step's is in the making.
  Value Take(int64_t step) {
    if (!next_.valid() || next_step_ != step) Start(step);
    Value value = next_.get();
    Start(step + 1);
    return value;
  }

 private:
  void Start(int64_t step) {
    next_step_ = step;
    next_ = std::async(std::launch::async, [this, step, threads = at::get_num_threads()] {
      at::set_num_threads(threads);
      return make_(step);
    });
  }

  const std::function<Value(int64_t)> make_;
  int64_t next_step_ = 0;
  std::future<Value> next_;  // waits in its destructor
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_STEP_AHEAD_H_
