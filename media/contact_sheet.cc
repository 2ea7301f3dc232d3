#include "media/contact_sheet.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "media/bitmap_font.h"
#include "media/png_file.h"

namespace videodiffcr {
namespace {

constexpr int kMargin = 8;     // pixels around and between frames
constexpr int kTextScale = 2;  // pixels per dot of the font
constexpr int kLineHeight = kGlyphHeight * kTextScale + 6;
constexpr int kMaxFrameWidth = 240;  // wider frames are scaled down to this
constexpr RgbColor kPaper = {24, 26, 30};
constexpr RgbColor kInk = {236, 236, 230};

// As many glyphs of `text` as `width` pixels hold.
std::string FitText(const std::string& text, int width) {
  const size_t room = std::max(width, 0) / (kGlyphAdvance * kTextScale);
  return text.size() <= room ? text : text.substr(0, room < 3 ? 0 : room - 3) + "...";
}

// What of `from` lies inside `to`, as DrawText() does.
void CopyImage(const RgbImage& from, int left, int top, RgbImage* to) {
  const int width = std::min(from.width, to->width - left);
  const int height = std::min(from.height, to->height - top);
  for (int y = 0; width > 0 && y < height; ++y) {
    const uint8_t* row = from.pixels.data() + static_cast<size_t>(y) * from.width * 3;
    std::copy_n(row, static_cast<size_t>(width) * 3, to->at(left, top + y));
  }
}

}  // namespace

std::vector<int64_t> SpreadFrames(int64_t frame_count, int count) {
  std::vector<int64_t> indices;
  if (frame_count <= count) {
    for (int64_t i = 0; i < frame_count; ++i) {
      indices.push_back(i);
    }
    return indices;
  }
  for (int64_t i = 0; i < count; ++i) {
    indices.push_back(count == 1 ? 0 : i * (frame_count - 1) / (count - 1));
  }
  return indices;
}

RgbImage TileFrames(const std::vector<VideoFrame>& frames, const ContactSheetOptions& options) {
  const int tile_width = frames.front().image.width;
  const int tile_height = frames.front().image.height + kLineHeight;
  const int columns = std::min<int>(options.columns, frames.size());
  const int rows = (static_cast<int>(frames.size()) + columns - 1) / columns;
  const int header = static_cast<int>(options.captions.size()) * kLineHeight + (options.captions.empty() ? 0 : kMargin);
  RgbImage sheet = RgbImage::Filled(columns * (tile_width + kMargin) + kMargin,
                                    header + rows * (tile_height + kMargin) + kMargin, kPaper);
  int y = kMargin;
  for (const std::string& caption : options.captions) {
    DrawText(FitText(GlyphText(caption), sheet.width - 2 * kMargin), kMargin, y, kTextScale, kInk, &sheet);
    y += kLineHeight;
  }
  for (size_t i = 0; i < frames.size(); ++i) {
    const int left = kMargin + static_cast<int>(i % columns) * (tile_width + kMargin);
    const int top = header + kMargin + static_cast<int>(i / columns) * (tile_height + kMargin);
    CopyImage(frames[i].image, left, top, &sheet);
    DrawText(absl::StrFormat("%.2f s", frames[i].seconds), left, top + frames[i].image.height + 4, kTextScale, kInk,
             &sheet);
  }
  return sheet;
}

absl::Status WriteContactSheet(const std::string& video_path, const std::string& png_path,
                               const ContactSheetOptions& options) {
  const absl::StatusOr<int64_t> frame_count = CountVideoFrames(video_path);
  if (!frame_count.ok()) {
    return frame_count.status();
  }
  const absl::StatusOr<std::vector<VideoFrame>> frames =
      ReadVideoFrames(video_path, SpreadFrames(*frame_count, options.max_frames), kMaxFrameWidth);
  if (!frames.ok()) {
    return frames.status();
  }
  if (frames->empty()) {
    return absl::DataLossError(absl::StrCat(video_path, " holds no frame"));
  }
  return WritePng(TileFrames(*frames, options), png_path);
}

}  // namespace videodiffcr
