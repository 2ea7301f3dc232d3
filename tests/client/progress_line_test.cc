#include "client/progress_line.h"

#include <sstream>

#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

TEST(ProgressLineTest, TellsChunkRateSlackAndBothBudgets) {
  ProgressFigures figures;
  figures.chunks = 3;
  figures.length_chunks = 8;
  figures.frames = 33;
  figures.frames_per_second = 51.26;
  figures.slack_seconds = -0.5;
  figures.nominal_retention = 0.7;
  figures.executed_retention = 0.7344;
  EXPECT_EQ(FormatProgress(figures), "chunk 3/8  33 frames  51.3 fps  slack -0.50 s  budget 0.70 (executed 0.734)");
}

TEST(ProgressLineTest, SaysNothingOfSlackWithoutDeadlinesNorOfAnEndThatThereIsNot) {
  ProgressFigures figures;
  figures.chunks = 3;
  EXPECT_EQ(FormatProgress(figures), "chunk 3  0 frames  0.0 fps  budget 1.00 (executed 1.000)");
}

TEST(ProgressLineTest, OnATerminalTheLineIsWrittenOverAndANoteStaysAboveIt) {
  std::ostringstream out;
  ProgressLine line(&out, /*terminal=*/true);
  line.Show("one", absl::UnixEpoch());
  line.Note("note");
  line.Show("two", absl::UnixEpoch());
  line.End();
  EXPECT_EQ(out.str(), "\r\x1b[Kone\r\x1b[Knote\none\r\x1b[Ktwo\n");
}

TEST(ProgressLineTest, ElsewhereAtMostOneLineASecondAndTheLastOneAlways) {
  std::ostringstream out;
  ProgressLine line(&out, /*terminal=*/false);
  const absl::Time start = absl::UnixEpoch();
  line.Show("one", start);
  line.Show("two", start + absl::Milliseconds(400));
  line.Show("three", start + absl::Milliseconds(1000));
  line.Show("four", start + absl::Milliseconds(1100));
  line.End();
  EXPECT_EQ(out.str(), "one\nthree\nfour\n");
}

}  // namespace
}  // namespace videodiffcr
