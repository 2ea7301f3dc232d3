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
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
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

TEST(CaptionTest, SaysOneOrTwoThingsByUnknownWordsAndTheRestAsEver) {
  const std::vector<std::string> said = {"large", "red", "star", "left", "slowly", "navy", "checkered"};
  CaptionOptions options = kCompleteCaption;
  options.replaced_caption = 1;
  std::vector<int> missing(said.size());
  int two = 0, nothing_known_of_it = 0;
  for (uint64_t index = 0; index < 2000; ++index) {
    RandomStream random(14, DrawPurpose::kCaption, index);
    const Scene scene = MakeScene({kStar, 0, 1, kLeft, 0, 2, kCheckered}, random);
    std::string caption = MakeCaption(scene.segments[0], options, random);
    absl::StrReplaceAll({{"big", "large"}, {"huge", "large"}, {"checkerboard", "checkered"}}, &caption);
    const std::vector<std::string> words = absl::StrSplit(caption, ' ');
    const auto unknown = std::count(words.begin(), words.end(), kUnknownWord);
    ASSERT_GE(unknown, 1) << caption;
    ASSERT_LE(unknown, 2) << caption;
    two += unknown == 2 ? 1 : 0;
    nothing_known_of_it += absl::StrContains(caption, "large red something something ") ? 1 : 0;
    int gone = 0;
    for (size_t i = 0; i < said.size(); ++i) {
      if (std::count(words.begin(), words.end(), said[i]) > 0) continue;
      ++gone;
      ++missing[i];
    }
    EXPECT_LE(gone, unknown) << caption;
    EXPECT_TRUE(absl::StrContains(caption, " background")) << caption;
  }
  for (size_t i = 0; i < said.size(); ++i) EXPECT_GT(missing[i], 50) << said[i];
  EXPECT_GT(two, 400) << "of which some are the same one twice";
  EXPECT_GT(nothing_known_of_it, 200) << "what it is and what it does";
}

TEST(CaptionTest, LeavesTheDirectionOfAnUnknownVerbInPlace) {
  CaptionOptions options = kCompleteCaption;
  options.replaced_caption = 1;
  std::set<std::string> motions;
  for (uint64_t index = 0; index < 2000; ++index) {
    RandomStream random(15, DrawPurpose::kCaption, index);
    const Scene scene = MakeScene({kStar, 0, 1, kLeft, 0, 2, kCheckered}, random);
    const std::string caption = MakeCaption(scene.segments[0], options, random);
    for (const char* motion :
         {"star something left slowly", "star something to the left slowly", "star something slowly"}) {
      if (absl::StrContains(caption, motion)) motions.insert(motion);
    }
  }
  EXPECT_EQ(motions.size(), 3u);
}

TEST(CaptionTest, LeavesRoomForTheEndTokenAlsoWithUnknownWords) {
  CaptionOptions options = {0, 0, 1, 0.5};
  options.replaced_caption = 1;
  for (uint64_t index = 0; index < 3000; ++index) {
    RandomStream random(16, DrawPurpose::kCaption, index);
    const Scene scene = SampleScene({}, random);
    const std::vector<std::string> words = absl::StrSplit(MakeCaption(scene.segments[0], options, random), ' ');
    EXPECT_LE(words.size(), 31u) << absl::StrJoin(words, " ");
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
