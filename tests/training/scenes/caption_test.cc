#include "training/scenes/caption.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace videodiffcr::training {
namespace {

std::set<std::string> Vocabulary() {
  std::ifstream file(absl::StrCat(std::getenv("VIDEODIFFCR_SOURCE_DIR"), "/models/tiny/vocabulary.json"));
  const nlohmann::json vocabulary = nlohmann::json::parse(file);
  std::set<std::string> words;
  for (const auto& [word, id] : vocabulary.at("words").items()) words.insert(word);
  return words;
}

TEST(CaptionTest, UsesEveryWordOfTheModelsVocabularyAndNoOther) {
  const std::set<std::string> vocabulary = Vocabulary();
  std::set<std::string> seen;
  for (uint64_t index = 0; index < 3000; ++index) {
    RandomStream random(11, DrawPurpose::kCaption, index);
    const Scene scene = SampleScene({}, random);
    for (const SceneSegment& segment : scene.segments) {
      const std::vector<std::string> words = absl::StrSplit(MakeCaption(segment, {}, random), ' ');
      seen.insert(words.begin(), words.end());
      const auto unknown = std::count(words.begin(), words.end(), kUnknownWord);
      EXPECT_LE(static_cast<int>(words.size() - unknown), 26) << "the longest caption leaves room for the end token";
    }
  }
  EXPECT_EQ(vocabulary.count(kUnknownWord), 0u);
  EXPECT_EQ(seen.erase(kUnknownWord), 1u);
  EXPECT_EQ(seen, vocabulary);
}

TEST(CaptionTest, SaysEverythingWhenComplete) {
  const AttributeValues attributes = {kStar, 0, 1, kLeft, 0, 2, kCheckered};
  for (uint64_t index = 0; index < 50; ++index) {
    RandomStream random(12, DrawPurpose::kCaption, index);
    const Scene scene = MakeScene(attributes, random);
    EXPECT_EQ(scene.segments[0].attributes(), attributes);
    const std::string caption = MakeCaption(scene.segments[0], kCompleteCaption, random);
    for (const char* word : {"red star", "left", "slowly", "navy check", "background"}) {
      EXPECT_TRUE(absl::StrContains(caption, word)) << caption;
    }
  }
}

TEST(CaptionTest, GivesNoSpeedToWhatStaysStill) {
  for (uint64_t index = 0; index < 50; ++index) {
    RandomStream random(13, DrawPurpose::kCaption, index);
    const Scene scene = MakeScene({kCircle, 0, 0, kStill, 1, 0, kPlain}, random);
    const std::string caption = MakeCaption(scene.segments[0], kCompleteCaption, random);
    EXPECT_FALSE(absl::StrContains(caption, "fast") || absl::StrContains(caption, "quickly")) << caption;
  }
}

}  // namespace
}  // namespace videodiffcr::training
