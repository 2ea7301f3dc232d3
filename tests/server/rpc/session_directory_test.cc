#include "server/rpc/session_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <utility>
#include <vector>

#include "tests/fakes/manual_clock.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Session final : public DirectoryEntry {
 public:
  explicit Session(std::string name, std::string request_id = "")
      : name_(std::move(name)), request_id_(std::move(request_id)) {}
  const std::string& name() const override { return name_; }
  const std::string& request_id() const override { return request_id_; }
  void OnGraceOver(int64_t turn) override {
    MutexLock lock(&mutex_);
    turns_.push_back(turn);
    changed_.NotifyAll();
  }
  std::vector<int64_t> turns() {
    MutexLock lock(&mutex_);
    return turns_;
  }
  bool WaitForTurn() {
    MutexLock lock(&mutex_);
    while (turns_.empty()) {
      if (!changed_.WaitFor(&mutex_, std::chrono::seconds(30))) return false;
    }
    return true;
  }

 private:
  const std::string name_;
  const std::string request_id_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<int64_t> turns_ ABSL_GUARDED_BY(mutex_);
};

class SessionDirectoryTest : public ::testing::Test {
 protected:
  std::shared_ptr<Session> Add(const std::string& name) {
    auto session = std::make_shared<Session>(name);
    EXPECT_EQ(directory_.Add(session), nullptr);
    return session;
  }
  ManualClock clock_;
  SessionDirectory directory_{absl::Seconds(30), /*max_waiting_bytes=*/100, &clock_};
};

TEST_F(SessionDirectoryTest, FindsSessionsByNameUntilTheyAreRemoved) {
  const auto session = Add("one");
  EXPECT_EQ(directory_.Find("one"), session);
  EXPECT_EQ(directory_.Find("two"), nullptr);
  directory_.Remove(Session("one"));
  EXPECT_EQ(directory_.Find("one"), session) << "another object of the same name";
  directory_.Remove(*session);
  EXPECT_EQ(directory_.Find("one"), nullptr);
}

TEST_F(SessionDirectoryTest, ASecondStartWithTheSameIdIsGivenTheFirst) {
  const auto first = std::make_shared<Session>("one", "order");
  EXPECT_EQ(directory_.Add(first), nullptr);
  EXPECT_EQ(directory_.Add(std::make_shared<Session>("two", "order")), first);
  EXPECT_EQ(directory_.Find("two"), nullptr);
  directory_.Remove(*first);
  EXPECT_EQ(directory_.Add(std::make_shared<Session>("two", "order")), nullptr);
}

TEST_F(SessionDirectoryTest, WhoWaitsIsToldWhenTheGraceIsOverAndNotBefore) {
  const auto session = Add("one");
  directory_.Wait(*session, 7, 0);
  ASSERT_TRUE(clock_.WaitForWaiters(1));
  clock_.Advance(absl::Seconds(29));
  EXPECT_THAT(session->turns(), IsEmpty());
  ASSERT_TRUE(clock_.WaitForWaiters(1));
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(session->WaitForTurn());
  EXPECT_THAT(session->turns(), ElementsAre(7));
}

TEST_F(SessionDirectoryTest, WhoIsConnectedAgainIsNotTold) {
  const auto back = Add("back"), gone = Add("gone");
  directory_.Wait(*back, 1, 0);
  directory_.Wait(*gone, 1, 0);
  directory_.EndWait(*back);
  ASSERT_TRUE(clock_.WaitForWaiters(1));
  clock_.Advance(absl::Seconds(30));
  ASSERT_TRUE(gone->WaitForTurn());
  EXPECT_THAT(back->turns(), IsEmpty());
}

TEST_F(SessionDirectoryTest, TheOldestOfThoseThatHoldBytesGoFirstWhenThereAreTooMany) {
  const auto running = Add("running"), oldest = Add("oldest"), newest = Add("newest");
  directory_.Wait(*running, 1, 0);
  directory_.Wait(*oldest, 2, 60);
  EXPECT_THAT(oldest->turns(), IsEmpty());
  directory_.Wait(*newest, 3, 41);
  EXPECT_THAT(oldest->turns(), ElementsAre(2));
  EXPECT_THAT(newest->turns(), IsEmpty());
  EXPECT_THAT(running->turns(), IsEmpty());
}

TEST_F(SessionDirectoryTest, ASessionThatWasRemovedDoesNotWait) {
  const auto session = Add("one");
  directory_.Remove(*session);
  directory_.Wait(*session, 1, 1000);
  EXPECT_THAT(session->turns(), IsEmpty());
}

}  // namespace
}  // namespace videodiffcr
