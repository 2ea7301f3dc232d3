#include "training/stages/wording_stage.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

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

}  // namespace
}  // namespace videodiffcr::training
