// A plot of shares from 0 to 1, as figures lay them side by side.
#ifndef VIDEODIFFCR_TRAINING_FIGURES_PLOT_PANEL_H_
#define VIDEODIFFCR_TRAINING_FIGURES_PLOT_PANEL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "media/rgb_image.h"

namespace videodiffcr::training {

inline constexpr int kPlotTitleHeight = 28;
inline constexpr RgbColor kPlotPaper = {24, 26, 30}, kPlotGrid = {56, 60, 68}, kPlotInk = {236, 236, 230};

// Where a panel has its axes: pixels of the panel's upper left corner.
struct PlotPanel {
  static constexpr int kWidth = 420, kHeight = 300;  // with its labels
  static constexpr int kLeft = 56, kTop = 40, kPlotWidth = 340, kPlotHeight = 210;

  // Of a place out of `places`, and of a share in tenths.
  static int X(size_t place, size_t places) {
    return kLeft + (places < 2 ? kPlotWidth / 2 : static_cast<int>(place * kPlotWidth / (places - 1)));
  }
  static int Y(double tenths) { return kTop + kPlotHeight - static_cast<int>(tenths * kPlotHeight / 10); }
};

// Shares upwards, `places` numbered from 0 to the right, named by `label`. (left, top): of the panel.
void DrawAxes(size_t places, const std::string& label, int left, int top, RgbImage* image);

// A line through one share per place, in tenths, with a dot at each.
void DrawCurve(const std::vector<double>& tenths, int left, int top, int radius, RgbColor color, RgbImage* image);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_FIGURES_PLOT_PANEL_H_
