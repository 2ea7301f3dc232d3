#include "gateway/http/broadcast_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace videodiffcr {
namespace {

using Log = BroadcastLog<std::string>;

// What Wait() found, in words: "3 text", or "end".
struct Reader {
  explicit Reader(Log* to_read, int64_t first = 0) : log(to_read), next(first) {}
  void Ask() {
    ticket = log->Wait(next, [this](const Log::Found& found) {
      answers.push_back(found.item == nullptr ? "end" : std::to_string(found.number) + " " + *found.item);
      next = found.number + 1;
    });
  }
  Log* log;
  int64_t next;
  int64_t ticket = 0;
  std::vector<std::string> answers;
};

TEST(BroadcastLogTest, EachReaderGetsEveryItemInOrderWheneverItAsks) {
  Log log({.max_items = 10, .max_bytes = 100});
  Reader early(&log);
  Reader late(&log);
  early.Ask();
  log.Append("a", 1);
  early.Ask();
  log.Append("b", 1);
  log.Close();
  early.Ask();
  for (int i = 0; i < 3; ++i) late.Ask();
  EXPECT_THAT(early.answers, ::testing::ElementsAre("0 a", "1 b", "end"));
  EXPECT_EQ(late.answers, early.answers);
}

TEST(BroadcastLogTest, AReaderThatFellBehindGoesOnAtTheNewest) {
  Log log({.max_items = 2, .max_bytes = 100});
  Reader reader(&log);
  for (const char* item : {"a", "b", "c", "d"}) log.Append(item, 1);
  reader.Ask();
  EXPECT_THAT(reader.answers, ::testing::ElementsAre("3 d"));
}

TEST(BroadcastLogTest, BytesAreBoundedAsItemsAreAndTheNewestIsKeptWhateverItsSize) {
  Log log({.max_items = 10, .max_bytes = 5});
  log.Append("a", 3);
  log.Append("b", 3);
  EXPECT_EQ(log.bytes(), 3u);
  EXPECT_EQ(log.Look().first, 1);
  log.Append("c", 100);
  EXPECT_EQ(log.Look().items.size(), 1u);
  log.Append("d", 1);
  EXPECT_EQ(log.bytes(), 1u);
}

TEST(BroadcastLogTest, AReaderThatLeftIsNotCalled) {
  Log log({.max_items = 2, .max_bytes = 100});
  Reader reader(&log);
  reader.Ask();
  log.Forget(reader.ticket);
  log.Append("a", 1);
  log.Close();
  EXPECT_THAT(reader.answers, ::testing::IsEmpty());
}

TEST(BroadcastLogTest, AReaderMayWaitForAnItemThatIsFarAhead) {
  Log log({.max_items = 1, .max_bytes = 100});
  Reader reader(&log, 1);
  reader.Ask();
  log.Append("a", 1);
  EXPECT_THAT(reader.answers, ::testing::IsEmpty());
  log.Append("b", 1);
  EXPECT_THAT(reader.answers, ::testing::ElementsAre("1 b"));
}

}  // namespace
}  // namespace videodiffcr
