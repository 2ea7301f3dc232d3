#include "server/sockets/descriptor_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <string>

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

class DescriptorLimitTest : public testing::Test {
 protected:
  DescriptorLimitTest() { getrlimit(RLIMIT_NOFILE, &before_); }
  ~DescriptorLimitTest() override { setrlimit(RLIMIT_NOFILE, &before_); }
  void Allow(rlim_t soft) {
    rlimit limit = before_;
    limit.rlim_cur = soft;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  rlimit before_{};
};

TEST_F(DescriptorLimitTest, TheSoftLimitBecomesTheHardOne) {
  Allow(100);
  RaiseDescriptorLimit();
  rlimit now{};
  getrlimit(RLIMIT_NOFILE, &now);
  EXPECT_EQ(now.rlim_cur, before_.rlim_max);
}

TEST_F(DescriptorLimitTest, AsManyConnectionsFitAsAreWantedOrAsDescriptorsAreLeft) {
  Allow(1000);
  EXPECT_EQ(ConnectionsThatFit(10).value(), 10);
  const int fit = ConnectionsThatFit(100'000).value();
  EXPECT_GT(fit, 500);
  EXPECT_LT(fit, 900) << "some are open, some are kept back";
}

TEST_F(DescriptorLimitTest, ALowLimitLeavesSomeAndAVeryLowOneIsAnErrorThatNamesIt) {
  Allow(64);
  EXPECT_GT(ConnectionsThatFit(1000).value(), 20);
  Allow(4);
  const absl::Status status = ConnectionsThatFit(1000).status();
  Allow(before_.rlim_cur);  // sanitizers look through a pipe whether an object is one
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ulimit -n"));
}

}  // namespace
}  // namespace videodiffcr
