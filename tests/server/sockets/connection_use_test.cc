#include "server/sockets/connection_use.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace videodiffcr {
namespace {

TEST(ConnectionUseTest, CallsAreCountedFromTheirBeginningToTheirEndAndThoseWithoutAMessageApart) {
  ConnectionUses uses;
  const int64_t number = uses.Add("a");
  {
    ConnectionUses::Call first(&uses, "a", true);
    const ConnectionUses::Call second(&uses, "a", true);
    first.NoteMessage();
    first.NoteMessage();
    EXPECT_EQ(uses.Of(number).calls, 2);
    EXPECT_EQ(uses.Of(number).silent_calls, 1);
  }
  EXPECT_EQ(uses.Of(number).calls, 0);
  EXPECT_EQ(uses.Of(number).silent_calls, 0);
}

TEST(ConnectionUseTest, ABeginningAMessageAndAnEndWithoutOneAreNews) {
  ConnectionUses uses;
  const int64_t number = uses.Add("a");
  int64_t before = uses.Of(number).news;
  const auto has_news = [&] { return uses.Of(number).news != std::exchange(before, uses.Of(number).news); };
  EXPECT_FALSE(has_news());
  std::optional<ConnectionUses::Call> call;
  call.emplace(&uses, "a", true);
  EXPECT_TRUE(has_news());
  call.reset();
  EXPECT_TRUE(has_news());
  call.emplace(&uses, "a", true);
  EXPECT_TRUE(has_news());
  call->NoteMessage();
  EXPECT_TRUE(has_news());
  call.reset();
  EXPECT_FALSE(has_news()) << "the peer has said nothing";
}

TEST(ConnectionUseTest, CallsThatDoNotMatterAreNewsAndNoMore) {
  ConnectionUses uses;
  const int64_t number = uses.Add("a");
  const ConnectionUse before = uses.Of(number);
  {
    const ConnectionUses::Call call(&uses, "a", false);
    EXPECT_EQ(uses.Of(number).calls, 0);
    EXPECT_NE(uses.Of(number).news, before.news);
  }
  EXPECT_EQ(uses.Of(number).idle_since, before.idle_since);
}

TEST(ConnectionUseTest, TheEndOfACallComesAfterTheConnectionsThatCameBefore) {
  ConnectionUses uses;
  const int64_t first = uses.Add("a");
  const int64_t second = uses.Add("b");
  EXPECT_LT(uses.Of(first).idle_since, uses.Of(second).idle_since);
  { const ConnectionUses::Call call(&uses, "a", true); }
  EXPECT_LT(uses.Of(second).idle_since, uses.Of(first).idle_since);
}

TEST(ConnectionUseTest, ACallOfAConnectionThatHasGoneDoesNotTouchTheNextOneOfThatName) {
  ConnectionUses uses;
  const int64_t old = uses.Add("a");
  std::optional<ConnectionUses::Call> call;
  call.emplace(&uses, "a", true);
  const int64_t next = uses.Add("a");
  uses.Remove(old);
  const ConnectionUses::Call its_own(&uses, "a", true);
  call->NoteMessage();
  call.reset();
  EXPECT_EQ(uses.Of(next).calls, 1);
  EXPECT_EQ(uses.Of(next).silent_calls, 1);
  const ConnectionUses::Call of_nobody(&uses, "b", true);
}

}  // namespace
}  // namespace videodiffcr
