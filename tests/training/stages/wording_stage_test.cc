#include "training/stages/wording_stage.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace videodiffcr::training {
namespace {

RandomStream Draws(uint64_t index) { return RandomStream(1, DrawPurpose::kStage, index); }

TEST(WordingStageTest, RewordsTheBackgroundAndNothingElse) {
  std::set<std::string> seen;
  for (uint64_t index = 0; index < 64; ++index) {
    RandomStream random = Draws(index);
    seen.insert(RewordBackground("a blue square moves up on a navy striped background", random));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"a blue square moves up on a blue striped background",
                                         "a blue square moves up on a purple striped background",
                                         "a blue square moves up on a violet striped background"}));
}

TEST(WordingStageTest, FindsTheBackgroundWhereverTheSentenceHasIt) {
  RandomStream random = Draws(0);
  const std::string caption =
      RewordBackground("on a something teal something plain background a red star bounces", random);
  EXPECT_TRUE(caption == "on a something green something plain background a red star bounces" ||
              caption == "on a something cyan something plain background a red star bounces")
      << caption;
}

TEST(WordingStageTest, LeavesACaptionThatHasNoOtherWordAsItIs) {
  RandomStream random = Draws(0);
  for (const std::string caption : {"a red star bounces", "a red star bounces on a gray dotted background", ""}) {
    EXPECT_EQ(RewordBackground(caption, random), caption);
  }
}

TEST(WordingStageTest, AnUnknownWordMeansTheSameWhereverItStandsForThatKind) {
  std::set<std::pair<std::string, std::string>> seen;
  for (uint64_t index = 0; index < 64; ++index) {
    RandomStream random = Draws(index);
    const Rewording wording = SayUnknown("a large blue star orbits", random);
    seen.emplace(wording.heard, wording.meant);
  }
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(seen.size(), 7u);  // one, two or three of the three
  EXPECT_TRUE(seen.count(Pair("a large blue something something", "a large blue circle bounces")));
  EXPECT_TRUE(seen.count(Pair("a large something star orbits", "a large red star orbits")));
}

TEST(WordingStageTest, AnUnknownVerbKeepsItsDirectionAndABackgroundIsToldFromAnObject) {
  std::set<std::string> meant;
  for (uint64_t index = 0; index < 200; ++index) {
    RandomStream random = Draws(index);
    meant.insert(SayUnknown("on a navy dotted background a square flies up", random).meant);
  }
  EXPECT_TRUE(meant.count("on a gray plain background a circle moves up"));
  EXPECT_TRUE(meant.count("on a navy dotted background a circle flies up"));
  EXPECT_FALSE(meant.count("on a navy dotted background a square flies up")) << "one at least";
}

TEST(WordingStageTest, ACaptionThatSaysNothingOfTheKindStaysAsItIs) {
  RandomStream random = Draws(0);
  for (const std::string caption : {"", "a something", "a small something stays still"}) {
    EXPECT_EQ(SayUnknown(caption, random).heard, caption);
    EXPECT_EQ(SayUnknown(caption, random).meant, caption);
  }
}

}  // namespace
}  // namespace videodiffcr::training
