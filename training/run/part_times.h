// How long the parts of a training step take, and how much memory of a GPU they need: for who plans a run.
#ifndef VIDEODIFFCR_TRAINING_RUN_PART_TIMES_H_
#define VIDEODIFFCR_TRAINING_RUN_PART_TIMES_H_

#include <c10/core/Device.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace videodiffcr::training {

class PartTimes {
 public:
  // Unless `on`, all calls do nothing.
  PartTimes(bool on, c10::Device device) : on_(on), device_(device) {}

  void BeginStep();
  // What was done since the last call, or the step's begin, was `part`. Waits for the device. A part may come again.
  void End(const char* part);
  // Of this step: each part with its seconds and, on a GPU, the most memory that tensors had in it, in the order in
  // which they came. Empty when off.
  std::string StepLine() const;
  // The same of the means over all steps but the first, which also brings kernels to the device.
  std::string MeanLine() const;

 private:
  struct Part {
    const char* name;
    double seconds = 0;
    double most_gib = 0;
  };
  static void Add(const char* name, double seconds, double gib, std::vector<Part>* parts);
  static std::string Line(const std::vector<Part>& parts, double steps);

  const bool on_;
  const c10::Device device_;
  absl::Time last_;
  int steps_ = 0;
  std::vector<Part> step_, all_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_PART_TIMES_H_
