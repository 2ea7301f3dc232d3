// How long passes take on this machine, learnt while it serves: by budget, by how many sessions share a plan, and by
// how much the session looks back at; and how long a chunk takes from its last pass to its viewer. Not thread-safe:
// under SchedulerState::mutex, or in a policy's own copy.
#ifndef VIDEODIFFCR_SCHEDULER_PASS_TIMES_H_
#define VIDEODIFFCR_SCHEDULER_PASS_TIMES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "model/api/model_info.h"
#include "model/api/step_plan.h"

namespace videodiffcr {

class PassTimes {
 public:
  // Sessions in one plan are told apart up to here, chunks of a scene that a session has made up to the last bucket:
  // by then its window is as full as it gets, or grows slowly.
  static constexpr int kBatches = 8;
  static constexpr int kWindows = 4;

  // `budgets`: those of the model, with what they execute; unknown ones are guessed from known ones by it.
  explicit PassTimes(std::vector<RetentionBudget> budgets, int denoise_steps)
      : budgets_(std::move(budgets)), denoise_steps_(denoise_steps) {}

  // Denoising passes of a chunk.
  int denoise_steps() const { return denoise_steps_; }

  // A plan of `batch` steps took `elapsed`. Prompts are not counted: they are rare, and nobody chooses their budget.
  void Note(StepKind kind, RetentionTenths budget, int batch, int64_t chunks_in_scene, absl::Duration elapsed);

  // A chunk took `elapsed` from the end of its last pass to the moment when its sink had sent it on: decode, encode,
  // and what it waited for either.
  void NoteDelivery(absl::Duration elapsed);

  // How long that may take, by the latest: their mean and twice their mean deviation. Before there is any, what decode
  // and encode of a small chunk take.
  absl::Duration Delivery() const;

  // Engine time of one denoising pass or context pass, the session's share of its plan. nullopt: nothing is known yet.
  std::optional<absl::Duration> Share(StepKind kind, RetentionTenths budget, int batch, int64_t chunks_in_scene) const;

  // Whether a plan of two passes was seen to take hardly longer than one of one: where one session does not fill the
  // device. By the budget and window of which both were seen most often; false while nothing is known.
  bool SharingIsFree() const;

  // Of a whole chunk with the context pass behind it; of what is left of one with `passes_left` and, perhaps, the
  // context pass before it.
  std::optional<absl::Duration> Chunk(RetentionTenths budget, int batch, int64_t chunks_in_scene) const;
  std::optional<absl::Duration> Rest(RetentionTenths budget, int batch, int64_t chunks_in_scene, int passes_left,
                                     bool context_owed) const;

 private:
  // Recent times weigh more: a mean that forgets.
  struct Mean {
    double seconds = 0;
    int64_t count = 0;
    void Add(double value);
  };
  using ByWindow = std::array<Mean, kWindows>;
  using ByBatch = std::array<ByWindow, kBatches>;

  double ExecutedShare(RetentionTenths budget) const;
  static int BatchIndex(int batch);
  static int WindowIndex(int64_t chunks_in_scene);
  // Of the nearest place of `table` that is known.
  static const Mean* Nearest(const ByBatch& table, int batch, int window, int* found_batch);

  const std::vector<RetentionBudget> budgets_;
  const int denoise_steps_;
  std::array<ByBatch, kDenseTenths + 1> denoise_ = {};  // by tenths
  ByBatch context_ = {};
  Mean delivery_, delivery_deviation_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SCHEDULER_PASS_TIMES_H_
