// A built-in 5x7 font, so that a contact sheet needs no font file.
#ifndef VIDEODIFFCR_MEDIA_BITMAP_FONT_H_
#define VIDEODIFFCR_MEDIA_BITMAP_FONT_H_

#include <string>
#include <string_view>

#include "media/rgb_image.h"

namespace videodiffcr {

inline constexpr int kGlyphWidth = 5;
inline constexpr int kGlyphHeight = 7;
inline constexpr int kGlyphAdvance = kGlyphWidth + 1;  // one empty column between glyphs

// In what GlyphText() returns: a character that the font does not have.
inline constexpr char kBoxGlyph = '\x7F';

// `text` as this font can show it, one byte per glyph: letters without their accents, ligatures and full-width forms as
// letters, every other character that a reader would count as one (a Chinese one, an emoji of several code points) as
// one box. Line ends are spaces; what cannot be seen is left out. A byte that is no UTF-8 is a box.
std::string GlyphText(std::string_view text);

// Draws what GlyphText() returned with its top left corner at (x, y); what falls outside the image is cut off. Letters,
// digits and ".,:-'/%()" have glyphs; any other byte is drawn as a box, a space as nothing.
void DrawText(std::string_view text, int x, int y, int scale, RgbColor color, RgbImage* image);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MEDIA_BITMAP_FONT_H_
