#include "server/rpc/first_message_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FirstMessageRoomTest : public testing::Test {
 protected:
  FirstMessageRoom::Place Enter(const std::string& connection, const std::string& name) {
    return room_.Enter(connection, [this, name] { crowded_out_.push_back(name); });
  }
  FirstMessageRoom room_{3};
  std::vector<std::string> crowded_out_;
};

TEST_F(FirstMessageRoomTest, AsManyAsThereArePlacesStay) {
  const auto a = Enter("x", "a"), b = Enter("x", "b"), c = Enter("x", "c");
  EXPECT_THAT(crowded_out_, IsEmpty());
}

TEST_F(FirstMessageRoomTest, OneMoreCrowdsOutTheOldestOfTheConnectionThatHasTheMost) {
  const auto a = Enter("modest", "a"), b = Enter("greedy", "b"), c = Enter("greedy", "c");
  const auto d = Enter("third", "d");
  EXPECT_THAT(crowded_out_, ElementsAre("b"));
}

TEST_F(FirstMessageRoomTest, APlaceThatWasGivenBackIsFree) {
  auto a = Enter("x", "a");
  const auto b = Enter("x", "b");
  { const auto c = Enter("x", "c"); }
  a.Release();
  a.Release();
  const auto d = Enter("y", "d"), e = Enter("y", "e");
  EXPECT_THAT(crowded_out_, IsEmpty());
  const auto f = Enter("z", "f");
  EXPECT_THAT(crowded_out_, ElementsAre("d"));
}

TEST_F(FirstMessageRoomTest, WhoWasCrowdedOutMayGiveItsPlaceBackAsWell) {
  auto a = Enter("x", "a");
  const auto b = Enter("x", "b"), c = Enter("x", "c"), d = Enter("x", "d");
  a.Release();
  EXPECT_THAT(crowded_out_, ElementsAre("a"));
  const auto e = Enter("x", "e");
  EXPECT_THAT(crowded_out_, ElementsAre("a", "b"));
}

}  // namespace
}  // namespace videodiffcr
