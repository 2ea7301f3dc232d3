#include "client/progress_board.h"

#include <gtest/gtest.h>

#include <memory>
#include <sstream>

namespace videodiffcr {
namespace {

const absl::Time kNow = absl::UnixEpoch();

TEST(ProgressBoardTest, ATerminalShowsALineForEachAndWhatStaysAboveThem) {
  std::ostringstream out;
  ProgressBoard board(&out, true);
  const auto a = board.AddLine("a");
  const auto b = board.AddLine("b");
  a->Show("1", kNow);
  b->Show("2", kNow);
  EXPECT_EQ(out.str(), "a: 1\n\x1b[1F\x1b[Ja: 1\nb: 2\n");
  out.str("");
  a->Note("hello\x1b");
  EXPECT_EQ(out.str(), "\x1b[2F\x1b[Ja: hello\\x1b\na: 1\nb: 2\n");
  out.str("");
  a->End();
  EXPECT_EQ(out.str(), "\x1b[2F\x1b[Ja: 1\nb: 2\n");
  out.str("");
  b->Show("3", kNow);
  EXPECT_EQ(out.str(), "\x1b[1F\x1b[Jb: 3\n");
}

TEST(ProgressBoardTest, ALogHasALineASecondOfEachAndTheLastOne) {
  std::ostringstream out;
  ProgressBoard board(&out, false);
  const auto a = board.AddLine("a");
  a->Show("1", kNow);
  a->Show("2", kNow + absl::Milliseconds(500));
  a->Show("3", kNow + absl::Milliseconds(900));
  EXPECT_EQ(out.str(), "a: 1\n");
  a->End();
  a->End();
  EXPECT_EQ(out.str(), "a: 1\na: 3\n");
}

}  // namespace
}  // namespace videodiffcr
