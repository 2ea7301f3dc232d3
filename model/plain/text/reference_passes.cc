#include "model/plain/text/reference_passes.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "model/plain/text/html_entities.h"
#include "model/plain/text/mojibake_signs.h"

namespace videodiffcr {
namespace {

bool IsAscii(char32_t c) { return c < 0x80; }
bool IsPrintableAscii(char32_t c) { return c > 0x20 && c < 0x7F; }

// ASCII that counts in how wrongly decoded text is read: a lost byte's question mark, and the letters of the words that
// may follow "\u00C3 " (mojibake.cc). No other printable character stands in a pattern there.
bool MayBeOfASequence(char32_t c) { return std::u32string_view(U"?quelaios").find(c) != std::u32string_view::npos; }

}  // namespace

ReferencePasses::ReferencePasses(const std::u32string& line)
    : end_(static_cast<Place>(line.size())),
      characters_(line.begin(), line.end()),
      next_(line.size() + 1),
      previous_(line.size() + 1) {
  characters_.push_back(0);
  for (Place place = 0; place <= end_; ++place) {
    next_[place] = place == end_ ? 0 : place + 1;
    previous_[place] = place == 0 ? end_ : place - 1;
    if (characters_[place] == U'&') candidates_.push_back(place);
  }
}

void ReferencePasses::Remove(Place place) {
  next_[previous_[place]] = next_[place];
  previous_[next_[place]] = previous_[place];
  characters_[place] = 0;
}

std::u32string ReferencePasses::From(Place place, size_t most) const {
  std::u32string text;
  for (; place != end_ && text.size() < most; place = next_[place]) text += characters_[place];
  return text;
}

std::u32string ReferencePasses::Before(Place place, size_t most) const {
  std::u32string text;
  for (place = previous_[place]; place != end_ && text.size() < most; place = previous_[place]) {
    text += characters_[place];
  }
  std::reverse(text.begin(), text.end());
  return text;
}

void ReferencePasses::Replace(Place at, const std::u32string& text, size_t length) {
  Place place = at;
  for (size_t i = 0; i < length; ++i) {
    const Place following = next_[place];
    if (i < text.size()) {
      characters_[place] = text[i];
    } else {
      Remove(place);
    }
    place = following;
  }
  changes_.push_back({text.empty() ? place : at, place, text.size()});
}

bool ReferencePasses::Next() {
  std::vector<std::pair<Place, CharacterReference>> found;
  for (const Place place : candidates_) {
    if (characters_[place] != U'&') continue;
    std::optional<CharacterReference> reference = ReadCautiously(From(place, kLongestCautiousReference));
    if (reference.has_value()) found.emplace_back(place, *std::move(reference));
  }
  changes_.clear();
  candidates_.clear();
  // None of them overlaps another: there is no ampersand in a reference but its first character. No text is longer than
  // what stands for it.
  for (const auto& [place, reference] : found) Replace(place, reference.text, reference.length);
  for (const Change& change : changes_) {
    Place place = change.behind;
    for (size_t i = 0; i < kLongestCautiousReference + change.length && (place = previous_[place]) != end_; ++i) {
      if (characters_[place] == U'&') candidates_.push_back(place);
    }
  }
  std::sort(candidates_.begin(), candidates_.end());
  candidates_.erase(std::unique(candidates_.begin(), candidates_.end()), candidates_.end());
  return !found.empty();
}

bool ReferencePasses::ChangedNothingElse(bool cannot_be_repaired) const {
  return std::all_of(changes_.begin(), changes_.end(),
                     [&](const Change& change) { return ChangedNothingElse(change, cannot_be_repaired); });
}

bool ReferencePasses::ChangedNothingElse(const Change& change, bool cannot_be_repaired) const {
  const char32_t c = characters_[change.first];
  // What follows may be an accent.
  if (change.length != 1 || !IsPrintableAscii(c) || !IsAscii(characters_[change.behind])) return false;
  const std::u32string before = Before(change.first, kMostNeighbours);
  if (MayBeOfASequence(c) && !std::all_of(before.begin(), before.end(), IsAscii)) return false;
  if (cannot_be_repaired) return true;
  const bool at_start = before.size() < kMostNeighbours;
  return !LooksWronglyDecoded(before + From(change.first, kMostNeighbours), at_start);
}

std::u32string ReferencePasses::text() const { return From(next_[end_], characters_.size()); }

}  // namespace videodiffcr
