// The losses of a run: a CSV that survives interruption, and a plot of it.
#ifndef VIDEODIFFCR_TRAINING_RUN_LOSS_LOG_H_
#define VIDEODIFFCR_TRAINING_RUN_LOSS_LOG_H_

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace videodiffcr::training {

struct LossEntry {
  int64_t step = 0;
  double loss = 0;
  double learning_rate = 0;
  double gradient_norm = 0;
};

class LossLog {
 public:
  // Opens RUN/loss.csv. Lines of `next_step` and later are dropped: their steps will run again. Errors name the path.
  static absl::StatusOr<LossLog> Open(const std::string& path, int64_t next_step);

  void Add(const LossEntry& entry);
  // To the disk, before the checkpoint that will not run these steps again.
  absl::Status Flush();

  const std::vector<LossEntry>& entries() const { return entries_; }

 private:
  std::string path_;
  std::ofstream file_;
  std::vector<LossEntry> entries_;
};

// An SVG of the loss over steps on a logarithmic axis: the values, and their running mean over a fiftieth of the run.
std::string PlotLoss(const std::string& title, const std::vector<LossEntry>& entries);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_LOSS_LOG_H_
