#include "model/gpu/plan_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace videodiffcr::gpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A plan of three steps, of which number 1 has a prompt encoded and takes no part in the pass. Tests break a part of
// it.
class PlanWorkTest : public testing::Test {
 protected:
  PlanWorkTest() {
    work_.prepare = [](size_t step) { return step != 1; };
    work_.pass = [this] { ++passes_; };
    work_.finish = [this](size_t step, size_t place) { finished_.emplace_back(step, place); };
    work_.settle = [this] { ++settled_; };
    work_.status_of = [](const std::exception& error) { return absl::InternalError(error.what()); };
  }
  std::vector<absl::Status> Do() { return DoPlanWork(3, work_); }

  PlanWork work_;
  int passes_ = 0, settled_ = 0;
  std::vector<std::pair<size_t, size_t>> finished_;
};

const absl::Status kFine = absl::OkStatus();
const absl::Status kBroken = absl::InternalError("broken");

TEST_F(PlanWorkTest, StepsThatTakePartShareOnePassAndTakeWhatIsTheirs) {
  EXPECT_THAT(Do(), ElementsAre(kFine, kFine, kFine));
  EXPECT_EQ(passes_, 1);
  EXPECT_THAT(finished_, ElementsAre(std::pair(0, 0), std::pair(2, 1)));
  EXPECT_EQ(settled_, 1);
}

TEST_F(PlanWorkTest, WhatOneSessionsPreparationThrowsIsItsOwnAndTheOthersRunWithoutIt) {
  work_.prepare = [](size_t step) -> bool {
    if (step == 0) throw std::runtime_error("broken");
    return true;
  };
  EXPECT_THAT(Do(), ElementsAre(kBroken, kFine, kFine));
  EXPECT_EQ(passes_, 1);
  EXPECT_THAT(finished_, ElementsAre(std::pair(1, 0), std::pair(2, 1)));
}

TEST_F(PlanWorkTest, APreparationThatIsRefusedIsThatStepsAloneToo) {
  work_.prepare = [](size_t step) -> absl::StatusOr<bool> {
    if (step == 2) return absl::NotFoundError("no such session");
    return true;
  };
  EXPECT_THAT(Do(), ElementsAre(kFine, kFine, absl::NotFoundError("no such session")));
  EXPECT_THAT(finished_, ElementsAre(std::pair(0, 0), std::pair(1, 1)));
}

TEST_F(PlanWorkTest, WhatOneSessionCannotTakeFromThePassTheOthersDo) {
  work_.finish = [this](size_t step, size_t place) {
    if (step == 0) throw std::runtime_error("broken");
    finished_.emplace_back(step, place);
  };
  EXPECT_THAT(Do(), ElementsAre(kBroken, kFine, kFine));
  EXPECT_THAT(finished_, ElementsAre(std::pair(2, 1)));
  EXPECT_EQ(settled_, 1);
}

TEST_F(PlanWorkTest, APassThatFailsIsEverybodysButForThoseWhoHadFailedBefore) {
  work_.prepare = [](size_t step) -> absl::StatusOr<bool> {
    if (step == 1) return absl::NotFoundError("no such session");
    return true;
  };
  work_.pass = [] { throw std::runtime_error("broken"); };
  EXPECT_THAT(Do(), ElementsAre(kBroken, absl::NotFoundError("no such session"), kBroken));
  EXPECT_THAT(finished_, IsEmpty());
}

TEST_F(PlanWorkTest, APlanInWhichNobodyTakesPartHasNoPassButIsSettled) {
  work_.prepare = [](size_t) { return false; };
  EXPECT_THAT(Do(), ElementsAre(kFine, kFine, kFine));
  EXPECT_EQ(passes_, 0);
  EXPECT_EQ(settled_, 1);
}

}  // namespace
}  // namespace videodiffcr::gpu
