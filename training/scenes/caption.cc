#include "training/scenes/caption.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace videodiffcr::training {
namespace {

// The longest caption has 26 words, and the text encoder takes 32 tokens with the end token.
constexpr int kMaxUnknownWords = 5;

using Words = std::initializer_list<const char*>;

// The three shapes of a sentence; each has its own verb for a straight motion.
enum Form { kObjectsOnBackground, kObjectsWithBackground, kBackgroundFirst, kForms };

std::string OneOf(Words words, RandomStream& random) {
  return *(words.begin() + random.Below(static_cast<int>(words.size())));
}

std::string SizeWord(int size, RandomStream& random) {
  return size == 0 ? OneOf({"small", "tiny", "little"}, random) : OneOf({"large", "big", "huge"}, random);
}

std::string ColorWord(int color, RandomStream& random) {
  const std::string& name = ValueName(kColor, color);
  return name == "purple" ? OneOf({"purple", "violet"}, random) : name;
}

std::string MotionPhrase(int motion, Form form, RandomStream& random) {
  if (motion == kOrbit) return OneOf({"orbits", "moves in a circle", "is orbiting"}, random);
  if (motion == kBounce) return OneOf({"bounces", "bouncing", "is bouncing around"}, random);
  if (motion == kStill) return OneOf({"stays still", "is not moving", "does not move"}, random);
  const std::string& direction = ValueName(kMotion, motion);
  if (random.Chance(0.2)) return absl::StrCat("flies ", direction);
  switch (form) {
    case kObjectsOnBackground:
      return absl::StrCat("moves ", direction);
    case kObjectsWithBackground:
      return absl::StrCat("moving ", direction);
    default:
      return absl::StrCat(motion == kLeft || motion == kRight ? "is moving to the " : "is moving ", direction);
  }
}

std::string ObjectPhrase(const SceneObject& object, Form form, const CaptionOptions& options, RandomStream& random) {
  std::vector<std::string> parts = {"a"};
  if (!random.Chance(options.drop_phrase)) parts.push_back(SizeWord(object.size, random));
  if (!random.Chance(options.drop_color)) parts.push_back(ColorWord(object.color, random));
  parts.emplace_back(ValueName(kShape, object.shape));
  if (!random.Chance(options.drop_phrase)) parts.push_back(MotionPhrase(object.motion, form, random));
  if (object.motion != kStill && !random.Chance(options.drop_phrase)) {
    parts.push_back(object.speed == 0 ? "slowly" : OneOf({"fast", "quickly"}, random));
  }
  return absl::StrJoin(parts, " ");
}

std::string BackgroundPhrase(const Background& background, RandomStream& random) {
  const std::string& color = ValueName(kBackgroundColor, background.color);
  const std::string color_word = color == "gray" ? OneOf({"gray", "grey"}, random) : color;
  const std::string texture_word = background.texture == kCheckered ? OneOf({"checkered", "checkerboard"}, random)
                                                                    : ValueName(kTexture, background.texture);
  return absl::StrCat("a ", color_word, " ", texture_word, " background");
}

std::string AddUnknownWords(const std::string& caption, double probability, RandomStream& random) {
  std::vector<std::string> words;
  int added = 0;
  for (const absl::string_view word : absl::StrSplit(caption, ' ')) {
    if (random.Chance(probability) && added++ < kMaxUnknownWords) words.emplace_back(kUnknownWord);
    words.emplace_back(word);
  }
  return absl::StrJoin(words, " ");
}

}  // namespace

std::string MakeCaption(const SceneSegment& segment, const CaptionOptions& options, RandomStream& random) {
  const Form form = static_cast<Form>(random.Below(kForms));
  std::vector<std::string> phrases;
  for (const SceneObject& object : segment.objects) phrases.push_back(ObjectPhrase(object, form, options, random));
  if (random.Chance(0.5)) std::reverse(phrases.begin(), phrases.end());
  std::string caption = absl::StrJoin(phrases, " and ");
  if (!random.Chance(options.drop_phrase)) {
    const std::string background = BackgroundPhrase(segment.background, random);
    if (form == kBackgroundFirst) {
      caption = absl::StrCat("on ", background, " ", caption);
    } else {
      absl::StrAppend(&caption, form == kObjectsOnBackground ? " on " : " with ", background);
    }
  }
  return random.Chance(options.unknown_caption) ? AddUnknownWords(caption, options.unknown_word, random) : caption;
}

}  // namespace videodiffcr::training
