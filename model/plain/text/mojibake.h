// Text that was written in UTF-8 and read in another encoding ("cafÃ©"), turned back into what was written.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_MOJIBAKE_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_MOJIBAKE_H_

#include <string>
#include <string_view>

namespace videodiffcr {

// What the reference's text fixing (ftfy 6.3.1, fix_encoding) makes of `text`, one line: if it looks wrongly decoded
// and its characters are, in one of ten single-byte encodings, the bytes of UTF-8, it is decoded again, as often as
// that is so; else the parts of it that are. Left alone is what took another way: text of encodings of several bytes,
// and what lost bytes that cannot be told any more.
std::u32string RepairMojibake(std::u32string text);

// C1 control characters as the characters that Windows-1252 has in their places, as browsers read them.
std::u32string ReplaceC1Controls(std::u32string text);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_MOJIBAKE_H_
