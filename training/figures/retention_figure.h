// The retention of every block and step of a model's budgets as a picture: the paper's Figure 3.
#ifndef VIDEODIFFCR_TRAINING_FIGURES_RETENTION_FIGURE_H_
#define VIDEODIFFCR_TRAINING_FIGURES_RETENTION_FIGURE_H_

#include <string>
#include <vector>

#include "media/rgb_image.h"
#include "model/config/retention_table.h"

namespace videodiffcr::training {

// The colour of a denoising step's line.
RgbColor StepColor(size_t step);

// One panel per table, side by side: blocks to the right, shares upwards, a line per denoising step, and the mean over
// the steps in white; the executed share in the panel's title. At least one table.
RgbImage DrawRetention(const std::string& title, const std::vector<RetentionTable>& tables, int64_t tokens_per_chunk);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_FIGURES_RETENTION_FIGURE_H_
