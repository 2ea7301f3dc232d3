#include "training/figures/held_out_figure.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "media/bitmap_font.h"
#include "media/png_file.h"
#include "system/whole_file.h"
#include "training/figures/plot_panel.h"

namespace videodiffcr::training {
namespace {

constexpr RgbColor kFirst = {120, 124, 132};

double Mean(const std::vector<double>& values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> InTenths(const std::vector<double>& shares) {
  std::vector<double> tenths;
  tenths.reserve(shares.size());
  for (const double share : shares) tenths.push_back(10 * std::clamp(share, 0.0, 1.0));
  return tenths;
}

void DrawHeading(const std::string& text, int left, RgbImage* image) {
  DrawText(text, left + PlotPanel::kLeft, kPlotTitleHeight + 14, 2, kPlotInk, image);
}

void DrawByBlock(const std::string& heading, const std::vector<double>& first, const std::vector<double>& last,
                 RgbColor color, int left, RgbImage* image) {
  DrawHeading(heading, left, image);
  DrawAxes(last.size(), "block", left, kPlotTitleHeight, image);
  DrawCurve(InTenths(first), left, kPlotTitleHeight, 0, kFirst, image);
  DrawCurve(InTenths(last), left, kPlotTitleHeight, 1, color, image);
}

}  // namespace

double MeanVarianceExplained(const HeldOutMeasure& measure) { return Mean(measure.variance_explained); }
double MeanOverlap(const HeldOutMeasure& measure) { return Mean(measure.overlap); }

RgbImage DrawHeldOut(const std::string& title, const std::vector<HeldOutMeasure>& measures, double chance) {
  RgbImage image = RgbImage::Filled(3 * PlotPanel::kWidth, kPlotTitleHeight + PlotPanel::kHeight, kPlotPaper);
  DrawText(title, 8, 8, 2, kPlotInk, &image);
  const HeldOutMeasure &first = measures.front(), &last = measures.back();
  DrawByBlock(absl::StrFormat("variance explained %.3f", MeanVarianceExplained(last)), first.variance_explained,
              last.variance_explained, VarianceColor(), 0, &image);
  DrawByBlock(absl::StrFormat("overlap %.3f, chance %.1f", MeanOverlap(last), chance), first.overlap, last.overlap,
              OverlapColor(), PlotPanel::kWidth, &image);
  std::vector<double> variance, overlap;
  for (const HeldOutMeasure& measure : measures) {
    variance.push_back(MeanVarianceExplained(measure));
    overlap.push_back(MeanOverlap(measure));
  }
  const int left = 2 * PlotPanel::kWidth;
  DrawHeading(absl::StrCat("means, to step ", last.step), left, &image);
  DrawAxes(measures.size(), "measure", left, kPlotTitleHeight, &image);
  DrawCurve(std::vector<double>(std::max<size_t>(2, measures.size()), 10 * chance), left, kPlotTitleHeight, 0, kFirst,
            &image);
  DrawCurve(InTenths(variance), left, kPlotTitleHeight, 1, VarianceColor(), &image);
  DrawCurve(InTenths(overlap), left, kPlotTitleHeight, 1, OverlapColor(), &image);
  return image;
}

std::string HeldOutCsv(const std::vector<HeldOutMeasure>& measures) {
  std::string csv = "step,block,variance_explained,overlap\n";
  for (const HeldOutMeasure& measure : measures) {
    for (size_t block = 0; block < measure.overlap.size(); ++block) {
      absl::StrAppendFormat(&csv, "%d,%d,%.4f,%.4f\n", measure.step, block, measure.variance_explained[block],
                            measure.overlap[block]);
    }
  }
  return csv;
}

absl::Status WriteHeldOut(const std::string& folder, const std::string& title,
                          const std::vector<HeldOutMeasure>& measures, double chance) {
  const absl::Status written = WriteWholeFile(folder + "/held_out.csv", HeldOutCsv(measures));
  if (!written.ok()) return written;
  return WritePng(DrawHeldOut(title, measures, chance), folder + "/held_out.png");
}

}  // namespace videodiffcr::training
