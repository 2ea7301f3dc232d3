#include "client/load/load_plot.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "media/bitmap_font.h"

namespace videodiffcr {
namespace {

constexpr int kWidth = 960, kHeight = 520;
constexpr RgbColor kWhite = {255, 255, 255}, kBlack = {20, 20, 20}, kGray = {200, 200, 200};
constexpr RgbColor kInTime = {40, 90, 200}, kLate = {210, 40, 40}, kLine = {40, 140, 70};

// A rectangle of the picture with a scale of its own.
struct Panel {
  int top, bottom;
  double lowest, highest;
  static constexpr int kLeft = 70, kRight = kWidth - 20;

  int X(double seconds, double span) const {
    return kLeft + static_cast<int>((kRight - kLeft) * std::clamp(seconds / span, 0.0, 1.0));
  }
  int Y(double value) const {
    const double share = (value - lowest) / (highest - lowest);
    return bottom - static_cast<int>((bottom - top) * std::clamp(share, 0.0, 1.0));
  }
};

void Dot(int x, int y, int size, RgbColor color, RgbImage* image) {
  for (int row = std::max(0, y - size); row <= std::min(image->height - 1, y + size); ++row) {
    for (int column = std::max(0, x - size); column <= std::min(image->width - 1, x + size); ++column) {
      std::copy(color.begin(), color.end(), image->at(column, row));
    }
  }
}

void HorizontalLine(const Panel& panel, double value, RgbColor color, const std::string& label, RgbImage* image) {
  const int y = panel.Y(value);
  for (int x = Panel::kLeft; x <= Panel::kRight; ++x) Dot(x, y, 0, color, image);
  DrawText(label, 8, y - kGlyphHeight / 2, 1, kBlack, image);
}

}  // namespace

RgbImage DrawLoad(const std::vector<ViewerOutcome>& outcomes, const std::string& title) {
  RgbImage image = RgbImage::Filled(kWidth, kHeight, kWhite);
  double span = 1, least = -0.5, most = 0.5;
  for (const ViewerOutcome& outcome : outcomes) {
    span = std::max(span, absl::ToDoubleSeconds(outcome.began + outcome.lasted));
    for (const ChunkSample& chunk : outcome.chunks) {
      if (!chunk.has_deadline) continue;
      least = std::min(least, absl::ToDoubleSeconds(chunk.slack));
      most = std::max(most, absl::ToDoubleSeconds(chunk.slack));
    }
  }
  const Panel slack = {40, 340, least, most};
  DrawText(title, 8, 8, 2, kBlack, &image);
  HorizontalLine(slack, most, kGray, absl::StrFormat("%.1f s", most), &image);
  HorizontalLine(slack, 0, kBlack, "0 s", &image);
  HorizontalLine(slack, least, kGray, absl::StrFormat("%.1f s", least), &image);
  std::vector<int> running(Panel::kRight - Panel::kLeft + 1, 0);
  for (const ViewerOutcome& outcome : outcomes) {
    for (const ChunkSample& chunk : outcome.chunks) {
      if (!chunk.has_deadline) continue;
      const double seconds = absl::ToDoubleSeconds(chunk.slack);
      Dot(slack.X(absl::ToDoubleSeconds(chunk.at), span), slack.Y(seconds), 1, seconds < 0 ? kLate : kInTime, &image);
    }
    const int begin = slack.X(absl::ToDoubleSeconds(outcome.began), span) - Panel::kLeft;
    const int end = slack.X(absl::ToDoubleSeconds(outcome.began + outcome.lasted), span) - Panel::kLeft;
    for (int x = begin; x <= end; ++x) ++running[x];
  }
  const double peak = std::max(1, *std::max_element(running.begin(), running.end()));
  const Panel sessions = {380, 490, 0, peak};
  HorizontalLine(sessions, peak, kGray, absl::StrFormat("%.0f run", peak), &image);
  HorizontalLine(sessions, 0, kBlack, "0", &image);
  for (size_t x = 0; x < running.size(); ++x) {
    Dot(Panel::kLeft + static_cast<int>(x), sessions.Y(running[x]), 1, kLine, &image);
  }
  DrawText(absl::StrFormat("slack of each chunk above, sessions below, over %.0f s", span), Panel::kLeft, 502, 1,
           kBlack, &image);
  return image;
}

}  // namespace videodiffcr
