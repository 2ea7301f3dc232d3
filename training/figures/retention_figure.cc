#include "training/figures/retention_figure.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "media/bitmap_font.h"

namespace videodiffcr::training {
namespace {

using Panel = RetentionPanel;

constexpr int kTitleHeight = 28;
constexpr RgbColor kPaper = {24, 26, 30}, kGrid = {56, 60, 68}, kInk = {236, 236, 230};

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

// A line through one share per block, with a dot at each.
void DrawCurve(const std::vector<double>& tenths, int left, int top, int radius, RgbColor color, RgbImage* image) {
  for (size_t block = 0; block < tenths.size(); ++block) {
    const int x = left + Panel::X(block, tenths.size()), y = top + Panel::Y(tenths[block]);
    FillSquare(x, y, radius + 2, color, image);
    if (block == 0) continue;
    DrawLine(left + Panel::X(block - 1, tenths.size()), top + Panel::Y(tenths[block - 1]), x, y, radius, color, image);
  }
}

void DrawAxes(size_t blocks, int left, int top, RgbImage* image) {
  for (int tenths = 0; tenths <= 10; tenths += 2) {
    const int y = top + Panel::Y(tenths);
    DrawLine(left + Panel::kLeft, y, left + Panel::kLeft + Panel::kPlotWidth, y, 0, kGrid, image);
    DrawText(absl::StrFormat("%.1f", tenths / 10.0), left + 22, y - 5, 1, kInk, image);
  }
  const size_t every = std::max<size_t>(1, blocks / 10);
  for (size_t block = 0; block < blocks; block += every) {
    const int x = left + Panel::X(block, blocks);
    DrawLine(x, top + Panel::kTop, x, top + Panel::kTop + Panel::kPlotHeight, 0, kGrid, image);
    DrawText(absl::StrCat(block), x - 3, top + Panel::kTop + Panel::kPlotHeight + 8, 1, kInk, image);
  }
  DrawText("block", left + Panel::kLeft + Panel::kPlotWidth / 2 - 15, top + Panel::kTop + Panel::kPlotHeight + 24, 1,
           kInk, image);
}

void DrawPanel(const RetentionTable& table, int64_t tokens_per_chunk, int left, int top, RgbImage* image) {
  DrawAxes(table.tenths.size(), left, top, image);
  const size_t steps = table.tenths.front().size() - 1;  // the last column is the context pass's
  std::vector<double> mean(table.tenths.size(), 0.0);
  for (size_t step = 0; step < steps; ++step) {
    std::vector<double> tenths;
    for (size_t block = 0; block < table.tenths.size(); ++block) {
      tenths.push_back(table.tenths[block][step]);
      mean[block] += tenths.back() / static_cast<double>(steps);
    }
    DrawCurve(tenths, left, top, 1, StepColor(step), image);
    DrawText(absl::StrCat("step ", step + 1), left + Panel::kLeft + static_cast<int>(step) * 60,
             top + Panel::kTop + Panel::kPlotHeight + 40, 1, StepColor(step), image);
  }
  DrawCurve(mean, left, top, 0, kInk, image);
  DrawText("mean", left + Panel::kLeft + static_cast<int>(steps) * 60, top + Panel::kTop + Panel::kPlotHeight + 40, 1,
           kInk, image);
  DrawText(
      absl::StrFormat("budget %.1f, executed %.4f", table.nominal / 10.0, ExecutedRetention(table, tokens_per_chunk)),
      left + Panel::kLeft, top + 14, 2, kInk, image);
}

}  // namespace

RgbColor StepColor(size_t step) {
  constexpr RgbColor kColors[] = {{228, 92, 80}, {240, 176, 64}, {96, 196, 120}, {88, 150, 240}};
  return kColors[step % std::size(kColors)];
}

RgbImage DrawRetention(const std::string& title, const std::vector<RetentionTable>& tables, int64_t tokens_per_chunk) {
  RgbImage image =
      RgbImage::Filled(static_cast<int>(tables.size()) * Panel::kWidth, kTitleHeight + Panel::kHeight, kPaper);
  DrawText(title, 8, 8, 2, kInk, &image);
  for (size_t i = 0; i < tables.size(); ++i) {
    DrawPanel(tables[i], tokens_per_chunk, static_cast<int>(i) * Panel::kWidth, kTitleHeight, &image);
  }
  return image;
}

}  // namespace videodiffcr::training
