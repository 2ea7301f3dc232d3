#include "training/figures/plot_panel.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "media/bitmap_font.h"

namespace videodiffcr::training {
namespace {

void FillSquare(int x, int y, int radius, RgbColor color, RgbImage* image) {
  for (int row = std::max(0, y - radius); row <= std::min(image->height - 1, y + radius); ++row) {
    for (int column = std::max(0, x - radius); column <= std::min(image->width - 1, x + radius); ++column) {
      std::copy(color.begin(), color.end(), image->at(column, row));
    }
  }
}

void DrawLine(int x0, int y0, int x1, int y1, int radius, RgbColor color, RgbImage* image) {
  const int steps = std::max({1, std::abs(x1 - x0), std::abs(y1 - y0)});
  for (int i = 0; i <= steps; ++i) {
    FillSquare(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps, radius, color, image);
  }
}

}  // namespace

void DrawCurve(const std::vector<double>& tenths, int left, int top, int radius, RgbColor color, RgbImage* image) {
  for (size_t place = 0; place < tenths.size(); ++place) {
    const int x = left + PlotPanel::X(place, tenths.size()), y = top + PlotPanel::Y(tenths[place]);
    FillSquare(x, y, radius + 2, color, image);
    if (place == 0) continue;
    DrawLine(left + PlotPanel::X(place - 1, tenths.size()), top + PlotPanel::Y(tenths[place - 1]), x, y, radius, color,
             image);
  }
}

void DrawAxes(size_t places, const std::string& label, int left, int top, RgbImage* image) {
  for (int tenths = 0; tenths <= 10; tenths += 2) {
    const int y = top + PlotPanel::Y(tenths);
    DrawLine(left + PlotPanel::kLeft, y, left + PlotPanel::kLeft + PlotPanel::kPlotWidth, y, 0, kPlotGrid, image);
    DrawText(absl::StrFormat("%.1f", tenths / 10.0), left + 22, y - 5, 1, kPlotInk, image);
  }
  const size_t every = std::max<size_t>(1, places / 10);
  for (size_t place = 0; place < places; place += every) {
    const int x = left + PlotPanel::X(place, places);
    DrawLine(x, top + PlotPanel::kTop, x, top + PlotPanel::kTop + PlotPanel::kPlotHeight, 0, kPlotGrid, image);
    DrawText(absl::StrCat(place), x - 3, top + PlotPanel::kTop + PlotPanel::kPlotHeight + 8, 1, kPlotInk, image);
  }
  DrawText(label, left + PlotPanel::kLeft + PlotPanel::kPlotWidth / 2 - 3 * static_cast<int>(label.size()),
           top + PlotPanel::kTop + PlotPanel::kPlotHeight + 24, 1, kPlotInk, image);
}

}  // namespace videodiffcr::training
