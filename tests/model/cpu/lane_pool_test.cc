#include "model/cpu/lane_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <new>
#include <vector>

#include "system/thread_niceness.h"

namespace videodiffcr::cpu {
namespace {

TEST(LanePoolTest, EveryJobRunsOnceOnEveryMemberOfItsTeam) {
  for (const int lanes : {1, 2, 3, 5}) {
    LanePool pool(lanes);
    for (int team_size = 1; team_size <= lanes; ++team_size) {
      std::vector<std::atomic<int>> calls(17);
      pool.Run(17, team_size, [&](int index, TeamMember& member) {
        EXPECT_EQ(member.size(), team_size);
        EXPECT_LT(member.rank(), team_size);
        calls[index].fetch_add(1);
      });
      for (const std::atomic<int>& count : calls) EXPECT_EQ(count.load(), team_size);
    }
  }
}

TEST(LanePoolTest, ABarrierShowsEachMemberWhatTheOthersWroteBeforeIt) {
  LanePool pool(3);
  std::vector<int> written(3);  // plain ints: the thread sanitizer watches them
  for (int round = 0; round < 500; ++round) {
    pool.Run(1, 3, [&](int, TeamMember& member) {
      written[member.rank()] = round;
      member.Barrier();
      for (const int value : written) EXPECT_EQ(value, round);
      member.Barrier();
    });
  }
}

TEST(LanePoolTest, AMemberThatBreaksOffLetsItsTeamGoAndTheNextJobIsWhole) {
  LanePool pool(4);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> broken{0}, first{0}, whole{0};
    pool.Run(4, 2, [&](int index, TeamMember& member) {
      try {
        member.Barrier();
        if (index % 2 == 0 && member.rank() == round % 2) throw std::bad_alloc();
        member.Barrier();
        member.Barrier();
        whole.fetch_add(1);
      } catch (const TeamBroken&) {
        broken.fetch_add(1);
      } catch (const std::bad_alloc&) {
        if (member.BreakOff()) first.fetch_add(1);
      }
    });
    EXPECT_EQ(first.load(), 2);
    EXPECT_EQ(broken.load(), 2);
    EXPECT_EQ(whole.load(), 4);
  }
}

TEST(LanePoolTest, AMemberOfATeamOfOneBreaksOffByItself) {
  LanePool pool(1);
  int first = 0;
  pool.Run(2, 1, [&](int, TeamMember& member) { first += member.BreakOff() ? 1 : 0; });
  EXPECT_EQ(first, 2);
}

TEST(LanePoolTest, ItsThreadsStandBackAndTheOneThatCallsDoesNot) {
  const int before = getpriority(PRIO_PROCESS, 0);
  LanePool pool(2, 2);
  std::array<int, 2> niceness = {};
  pool.Run(1, 2, [&](int, TeamMember& member) {
    niceness[member.rank()] = getpriority(PRIO_PROCESS, 0);
    member.Barrier();
  });
  EXPECT_EQ(niceness[0], before);
  EXPECT_EQ(niceness[1], std::min(before + 2, kMostNiceness));
}

TEST(LanePoolTest, ACallWithoutJobsReturns) {
  LanePool pool(2);
  pool.Run(0, 2, [](int, TeamMember&) { FAIL(); });
}

}  // namespace
}  // namespace videodiffcr::cpu
