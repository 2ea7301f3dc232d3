#include "training/scenes/caption.h"

#include <algorithm>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
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

// What a caption says, by number: five attributes of each object, one object after the other, then two of the
// background.
enum ObjectAttribute { kSaysSize, kSaysColor, kSaysShape, kSaysMotion, kSaysSpeed, kObjectAttributes };
enum BackgroundAttribute { kSaysBackgroundColor, kSaysTexture };

// The attributes that an unknown word stands for.
using Unknowns = std::vector<int>;

bool Contains(const Unknowns& unknowns, int attribute) {
  return std::find(unknowns.begin(), unknowns.end(), attribute) != unknowns.end();
}

// One or two. People say other words most often for what a thing is, its colour and what it does; for what it is and
// what it does at once ("a cross spins") a scene came apart most, so that half of the pairs are these two.
Unknowns DrawUnknowns(int objects, RandomStream& random) {
  const bool two = random.Chance(0.5);
  if (two && random.Chance(0.5)) {
    const int first = random.Below(objects) * kObjectAttributes;
    return {first + kSaysShape, first + kSaysMotion};
  }
  std::vector<int> attributes;
  for (int first = 0; first < objects * kObjectAttributes; first += kObjectAttributes) {
    for (const int attribute :
         {kSaysSize, kSaysColor, kSaysColor, kSaysShape, kSaysShape, kSaysMotion, kSaysMotion, kSaysSpeed}) {
      attributes.push_back(first + attribute);
    }
  }
  for (const int attribute : {kSaysBackgroundColor, kSaysTexture}) {
    attributes.push_back(objects * kObjectAttributes + attribute);
  }
  Unknowns unknowns(two ? 2 : 1);
  for (int& attribute : unknowns) attribute = attributes[random.Below(static_cast<int>(attributes.size()))];
  return unknowns;
}

// "is moving to the left" -> "something to the left" or "something": an unknown verb, or an unknown motion.
std::string UnknownMotion(const std::string& phrase, RandomStream& random) {
  if (!random.Chance(0.5)) return kUnknownWord;
  for (const absl::string_view direction : {" to the left", " to the right", " left", " right", " up", " down"}) {
    if (absl::EndsWith(phrase, direction)) return absl::StrCat(kUnknownWord, direction);
  }
  return kUnknownWord;
}

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

// `first`: the number of the object's first attribute.
std::string ObjectPhrase(const SceneObject& object, int first, const Unknowns& unknowns, Form form,
                         const CaptionOptions& options, RandomStream& random) {
  std::vector<std::string> parts = {"a"};
  const auto say = [&](ObjectAttribute attribute, const std::string& words) {
    parts.push_back(Contains(unknowns, first + attribute) ? kUnknownWord : words);
  };
  if (!random.Chance(options.drop_phrase) && options.say_size) say(kSaysSize, SizeWord(object.size, random));
  if (!random.Chance(options.drop_color) && options.say_color) say(kSaysColor, ColorWord(object.color, random));
  say(kSaysShape, ValueName(kShape, object.shape));
  if (!random.Chance(options.drop_phrase)) {
    const std::string motion = MotionPhrase(object.motion, form, random);
    parts.push_back(Contains(unknowns, first + kSaysMotion) ? UnknownMotion(motion, random) : motion);
  }
  if (object.motion != kStill && !random.Chance(options.drop_phrase)) {
    say(kSaysSpeed, object.speed == 0 ? "slowly" : OneOf({"fast", "quickly"}, random));
  }
  return absl::StrJoin(parts, " ");
}

std::string BackgroundPhrase(const Background& background, int first, const Unknowns& unknowns, RandomStream& random) {
  const std::string& color = ValueName(kBackgroundColor, background.color);
  const std::string color_word = color == "gray" ? OneOf({"gray", "grey"}, random) : color;
  const std::string texture_word = background.texture == kCheckered ? OneOf({"checkered", "checkerboard"}, random)
                                                                    : ValueName(kTexture, background.texture);
  return absl::StrCat("a ", Contains(unknowns, first + kSaysBackgroundColor) ? kUnknownWord : color_word, " ",
                      Contains(unknowns, first + kSaysTexture) ? kUnknownWord : texture_word, " background");
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
  Unknowns unknowns;
  if (options.replaced_caption > 0 && random.Chance(options.replaced_caption)) {
    unknowns = DrawUnknowns(static_cast<int>(segment.objects.size()), random);
  }
  std::vector<std::string> phrases;
  int first = 0;
  for (const SceneObject& object : segment.objects) {
    phrases.push_back(ObjectPhrase(object, first, unknowns, form, options, random));
    first += kObjectAttributes;
  }
  if (random.Chance(0.5)) std::reverse(phrases.begin(), phrases.end());
  std::string caption = absl::StrJoin(phrases, " and ");
  if (!random.Chance(options.drop_phrase) && options.say_background) {
    const std::string background = BackgroundPhrase(segment.background, first, unknowns, random);
    if (form == kBackgroundFirst) {
      caption = absl::StrCat("on ", background, " ", caption);
    } else {
      absl::StrAppend(&caption, form == kObjectsOnBackground ? " on " : " with ", background);
    }
  }
  return random.Chance(options.unknown_caption) ? AddUnknownWords(caption, options.unknown_word, random) : caption;
}

}  // namespace videodiffcr::training
