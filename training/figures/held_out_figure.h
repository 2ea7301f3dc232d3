// How well routers predict what their blocks change, on prompts that they are not trained on: as a picture and as CSV.
#ifndef VIDEODIFFCR_TRAINING_FIGURES_HELD_OUT_FIGURE_H_
#define VIDEODIFFCR_TRAINING_FIGURES_HELD_OUT_FIGURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "media/rgb_image.h"

namespace videodiffcr::training {

// What was measured after some steps, a value per block.
struct HeldOutMeasure {
  int64_t step = 0;
  std::vector<double> variance_explained;  // 1: perfect, 0: no better than a constant
  std::vector<double> overlap;             // of the kept tokens with those that change most
};

inline RgbColor VarianceColor() { return {88, 150, 240}; }
inline RgbColor OverlapColor() { return {240, 176, 64}; }

// Three panels: variance explained by block and overlap by block, the first measure grey and the last one coloured; the
// means over blocks, measure by measure. `chance`: the overlap of tokens that are drawn, a grey line. Variances below 0
// are drawn at 0. At least one measure.
RgbImage DrawHeldOut(const std::string& title, const std::vector<HeldOutMeasure>& measures, double chance);

// "step,block,variance_explained,overlap" and a line for each.
std::string HeldOutCsv(const std::vector<HeldOutMeasure>& measures);

// Both, as FOLDER/held_out.png and FOLDER/held_out.csv. Errors name the file.
absl::Status WriteHeldOut(const std::string& folder, const std::string& title,
                          const std::vector<HeldOutMeasure>& measures, double chance);

// Means over blocks.
double MeanVarianceExplained(const HeldOutMeasure& measure);
double MeanOverlap(const HeldOutMeasure& measure);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_FIGURES_HELD_OUT_FIGURE_H_
