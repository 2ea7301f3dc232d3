// The retention of every block and step of a model's budgets as a picture: the paper's Figure 3.
#ifndef VIDEODIFFCR_TRAINING_FIGURES_RETENTION_FIGURE_H_
#define VIDEODIFFCR_TRAINING_FIGURES_RETENTION_FIGURE_H_

#include <string>
#include <vector>

#include "media/rgb_image.h"
#include "model/config/retention_table.h"

namespace videodiffcr::training {

// Where a panel has its axes: pixels of the panel's upper left corner.
struct RetentionPanel {
  static constexpr int kWidth = 420, kHeight = 300;  // with its labels
  static constexpr int kLeft = 56, kTop = 40, kPlotWidth = 340, kPlotHeight = 210;

  // Of a block out of `blocks`, and of a share of tokens in tenths.
  static int X(size_t block, size_t blocks) {
    return kLeft + (blocks < 2 ? kPlotWidth / 2 : static_cast<int>(block * kPlotWidth / (blocks - 1)));
  }
  static int Y(double tenths) { return kTop + kPlotHeight - static_cast<int>(tenths * kPlotHeight / 10); }
};

// The colour of a denoising step's line.
RgbColor StepColor(size_t step);

// One panel per table, side by side: blocks to the right, shares upwards, a line per denoising step, and the mean over
// the steps in white; the executed share in the panel's title. At least one table.
RgbImage DrawRetention(const std::string& title, const std::vector<RetentionTable>& tables, int64_t tokens_per_chunk);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_FIGURES_RETENTION_FIGURE_H_
