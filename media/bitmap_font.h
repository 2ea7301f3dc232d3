// A built-in 5x7 font, so that a contact sheet needs no font file.
#ifndef VIDEODIFFCR_MEDIA_BITMAP_FONT_H_
#define VIDEODIFFCR_MEDIA_BITMAP_FONT_H_

#include <string_view>

#include "media/rgb_image.h"

namespace videodiffcr {

inline constexpr int kGlyphWidth = 5;
inline constexpr int kGlyphHeight = 7;
inline constexpr int kGlyphAdvance = kGlyphWidth + 1;  // one empty column between glyphs

// Width of `text` in pixels when every dot of the font is `scale` pixels wide.
constexpr int TextWidth(std::string_view text, int scale) {
  return static_cast<int>(text.size()) * kGlyphAdvance * scale;
}

// Draws `text` with its top left corner at (x, y); what falls outside the image is cut off. Letters, digits and
// ".,:-'/%()" have glyphs; any other byte is drawn as a box, a space as nothing.
void DrawText(std::string_view text, int x, int y, int scale, RgbColor color, RgbImage* image);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MEDIA_BITMAP_FONT_H_
