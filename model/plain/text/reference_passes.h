// A line whose character references are replaced pass by pass, as UnescapeHtmlCautiously() does it again and again.
// Each pass takes time by what it changes, not by the line's length: only what stands before a change can be a
// reference now that was none.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_REFERENCE_PASSES_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_REFERENCE_PASSES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace videodiffcr {

class ReferencePasses {
 public:
  explicit ReferencePasses(const std::u32string& line);

  // Replaces all references that are there now. False when there is none.
  bool Next();

  // Of a line that FixCharacters() has left alone before the last pass: whether it surely does so now. True where
  // printable ASCII was put between ASCII, and no neighbours stand there that look wrongly decoded or could be a part
  // of what does. `cannot_be_repaired`: whatever looks so is left alone, because the whole line has been tried.
  bool ChangedNothingElse(bool cannot_be_repaired) const;

  std::u32string text() const;

 private:
  using Place = uint32_t;  // in a list of the line's characters; its end is a place, too
  struct Change {
    Place first;    // of the text in the reference's place; where that is empty, what follows
    Place behind;   // what follows
    size_t length;  // of the text
  };

  void Remove(Place place);
  // Up to so many characters from `place` on, and up to so many before it.
  std::u32string From(Place place, size_t most) const;
  std::u32string Before(Place place, size_t most) const;
  void Replace(Place at, const std::u32string& text, size_t length);
  bool ChangedNothingElse(const Change& change, bool cannot_be_repaired) const;

  const Place end_;
  std::vector<char32_t> characters_;  // 0 for those that are gone
  std::vector<Place> next_, previous_;
  std::vector<Place> candidates_;  // where a reference may begin
  std::vector<Change> changes_;    // of the last pass
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_REFERENCE_PASSES_H_
