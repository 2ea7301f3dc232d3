#include "server/logging/log_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

// A pipe that holds one page, which the test reads when it wants to.
class Pipe {
 public:
  Pipe() {
    signal(SIGPIPE, SIG_IGN);  // as main() does
    EXPECT_EQ(pipe(ends_), 0);
    EXPECT_GT(fcntl(ends_[1], F_SETPIPE_SZ, 4096), 0);
  }
  ~Pipe() {
    CloseReader();
    close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  // Until the text holds `wanted`.
  std::string ReadUntil(const std::string& wanted) {
    std::string text;
    char buffer[4096];
    while (text.find(wanted) == std::string::npos) {
      const ssize_t got = read(ends_[0], buffer, sizeof(buffer));
      if (got <= 0) break;
      text.append(buffer, static_cast<size_t>(got));
    }
    return text;
  }
  void CloseReader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(LogWriterTest, LinesArriveWholeAndInOrder) {
  Pipe pipe;
  LogWriter writer(pipe.writer(), 10);
  writer.Write("first");
  writer.Write("second");
  EXPECT_EQ(pipe.ReadUntil("second\n"), "first\nsecond\n");
  EXPECT_EQ(writer.dropped(), 0);
}

TEST(LogWriterTest, AReaderWhoStopsReadingHoldsNobodyAndLaterHearsHowManyLinesItMissed) {
  Pipe pipe;
  LogWriter writer(pipe.writer(), 10);
  const std::string line(1000, 'x');
  for (int i = 0; i < 100; ++i) writer.Write(line);  // would hang here for ever, were this the thread that writes
  EXPECT_GE(writer.dropped(), 80);
  EXPECT_THAT(pipe.ReadUntil("lines were dropped"), HasSubstr("log: "));
  pipe.CloseReader();  // so that the thread is done with this file before another gets its number
  writer.Flush(absl::Seconds(30));
}

TEST(LogWriterTest, AReaderWhoIsGoneCostsLinesAndNothingElse) {
  Pipe pipe;
  pipe.CloseReader();
  LogWriter writer(pipe.writer(), 10);
  writer.Write("to nobody");
  writer.Flush(absl::Seconds(30));
  EXPECT_EQ(writer.dropped(), 1);
}

TEST(LogWriterTest, ALongLineIsCut) {
  Pipe pipe;
  LogWriter writer(pipe.writer(), 10);
  writer.Write(absl::StrCat("begin", std::string(100'000, 'x')));
  const std::string line = pipe.ReadUntil("...\n");
  EXPECT_THAT(line, StartsWith("beginx"));
  EXPECT_THAT(line, SizeIs(LogWriter::kMaxLineBytes + 1));
}

TEST(LogWriterTest, AFileThatWasMadeNonBlockingLosesNothing) {
  Pipe pipe;
  ASSERT_EQ(fcntl(pipe.writer(), F_SETFL, O_NONBLOCK), 0);
  LogWriter writer(pipe.writer(), 100);
  for (int i = 0; i < 20; ++i) writer.Write(std::string(1000, 'x'));
  writer.Write("last");
  EXPECT_THAT(pipe.ReadUntil("last\n"), SizeIs(20 * 1001 + 5));
  EXPECT_EQ(writer.dropped(), 0);
}

}  // namespace
}  // namespace videodiffcr
