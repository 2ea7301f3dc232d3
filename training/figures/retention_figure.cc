#include "training/figures/retention_figure.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "media/bitmap_font.h"
#include "training/figures/plot_panel.h"

namespace videodiffcr::training {
namespace {

using Panel = PlotPanel;

void DrawPanel(const RetentionTable& table, int64_t tokens_per_chunk, int left, int top, RgbImage* image) {
  DrawAxes(table.tenths.size(), "block", left, top, image);
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
  DrawCurve(mean, left, top, 0, kPlotInk, image);
  DrawText("mean", left + Panel::kLeft + static_cast<int>(steps) * 60, top + Panel::kTop + Panel::kPlotHeight + 40, 1,
           kPlotInk, image);
  DrawText(
      absl::StrFormat("budget %.1f, executed %.4f", table.nominal / 10.0, ExecutedRetention(table, tokens_per_chunk)),
      left + Panel::kLeft, top + 14, 2, kPlotInk, image);
}

}  // namespace

RgbColor StepColor(size_t step) {
  constexpr RgbColor kColors[] = {{228, 92, 80}, {240, 176, 64}, {96, 196, 120}, {88, 150, 240}};
  return kColors[step % std::size(kColors)];
}

RgbImage DrawRetention(const std::string& title, const std::vector<RetentionTable>& tables, int64_t tokens_per_chunk) {
  RgbImage image =
      RgbImage::Filled(static_cast<int>(tables.size()) * Panel::kWidth, kPlotTitleHeight + Panel::kHeight, kPlotPaper);
  DrawText(title, 8, 8, 2, kPlotInk, &image);
  for (size_t i = 0; i < tables.size(); ++i) {
    DrawPanel(tables[i], tokens_per_chunk, static_cast<int>(i) * Panel::kWidth, kPlotTitleHeight, &image);
  }
  return image;
}

}  // namespace videodiffcr::training
