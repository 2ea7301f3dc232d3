#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/training/tiny_model.h"
#include "training/figures/held_out_figure.h"
#include "training/figures/plot_panel.h"
#include "training/figures/retention_figure.h"
#include "training/figures/router_maps.h"

namespace videodiffcr::training {
namespace {

bool HasColor(RgbImage& image, int x, int y, RgbColor color) {
  return std::equal(color.begin(), color.end(), image.at(x, y));
}

TEST(RetentionFigureTest, EveryStepHasItsDotWhereItsShareIs) {
  const RetentionTable table = MakeRetentionTable(7, {8, 6}, {-3, -1, 1, 3});
  RgbImage image = DrawRetention("two blocks", {table, table}, 180);
  constexpr int kTitle = 28;
  EXPECT_EQ(image.width, 2 * PlotPanel::kWidth);
  for (const int left : {0, PlotPanel::kWidth}) {
    const auto dot = [&](size_t block, double tenths, size_t step) {
      return HasColor(image, left + PlotPanel::X(block, 2), kTitle + PlotPanel::Y(tenths), StepColor(step));
    };
    EXPECT_TRUE(dot(0, 5, 0));
    EXPECT_TRUE(dot(1, 3, 0));
    EXPECT_TRUE(dot(0, 10, 3));
    EXPECT_TRUE(dot(1, 9, 3));
    EXPECT_FALSE(dot(0, 3, 0));
  }
}

TEST(HeldOutFigureTest, TheLastMeasureIsColouredWhereItsSharesAreAndVariancesBelowZeroLieAtZero) {
  const HeldOutMeasure first = {0, {-3, 0.2}, {0.5, 0.5}}, last = {20, {-1, 0.8}, {0.6, 0.9}};
  RgbImage image = DrawHeldOut("two blocks", {first, last}, 0.5);
  EXPECT_EQ(image.width, 3 * PlotPanel::kWidth);
  const auto dot = [&](int panel, size_t place, double share, RgbColor color) {
    return HasColor(image, panel * PlotPanel::kWidth + PlotPanel::X(place, 2),
                    kPlotTitleHeight + PlotPanel::Y(10 * share), color);
  };
  EXPECT_TRUE(dot(0, 0, 0, VarianceColor()));
  EXPECT_TRUE(dot(0, 1, 0.8, VarianceColor()));
  EXPECT_FALSE(dot(0, 1, 0.2, VarianceColor()));
  EXPECT_TRUE(dot(1, 0, 0.6, OverlapColor()));
  EXPECT_TRUE(dot(1, 1, 0.9, OverlapColor()));
  EXPECT_TRUE(dot(2, 1, 0.75, OverlapColor())) << "the mean over blocks";
  EXPECT_FALSE(DrawHeldOut("one measure, one block", {{0, {0.5}, {0.5}}}, 0.5).pixels.empty());
}

TEST(RouterMapsTest, DroppedTokensAreDarkAndKeptOnesAreNot) {
  const at::Tensor frame = at::ones({3, 4, 6});
  const at::Tensor darkened = DarkenDropped(frame, {1, 5}, 2, 3);  // tokens of 2 x 2 pixels
  EXPECT_EQ(darkened.select(0, 0).eq(1).sum().item<int64_t>(), 8);
  EXPECT_EQ(darkened[0][0][2].item<float>(), 1);
  EXPECT_EQ(darkened[0][3][5].item<float>(), 1);
  EXPECT_LT(darkened[0][0][0].item<float>(), 0.5);
}

TEST(RouterMapsTest, DrawsARowPerBlockAndRefusesWhatIsNotRouted) {
  at::set_num_threads(1);
  const std::string folder = TinyModel();
  TrainingModel model = LoadTrainingModel(folder, at::kCPU).value();
  ASSERT_TRUE(LoadRouters(folder, &model).ok());
  RouterMapOptions options;
  options.chunk = 0;
  const absl::StatusOr<RgbImage> image = DrawRouterMaps(model, options);
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_GT(image->height, 6 * 96);
  EXPECT_GT(image->width, 12 * 160);
  options.budget = 4;
  EXPECT_EQ(DrawRouterMaps(model, options).status().code(), absl::StatusCode::kInvalidArgument);
  options.budget = kDenseTenths;
  EXPECT_EQ(DrawRouterMaps(model, options).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace videodiffcr::training
