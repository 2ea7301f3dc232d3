#include "system/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "absl/base/config.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

int64_t SumOf(const MappedFile& file) {
  int64_t sum = 0;
  for (const uint8_t byte : file.bytes()) sum += byte;
  return sum;
}

TEST(MappedFileTest, AFileThatStaysAsItIsIsWhole) {
  const TemporaryFolder folder;
  const MappedFile file = *MappedFile::Open(folder.Write("file", std::string(100'000, '\1')));
  EXPECT_EQ(SumOf(file), 100'000);
  EXPECT_EQ(file.CheckWhole(), absl::OkStatus());
}

// Such a read ended the process (SIGBUS).
TEST(MappedFileTest, AFileThatOthersShortenReadsAsZerosAndSaysSo) {
  const TemporaryFolder folder;
  const MappedFile other = *MappedFile::Open(folder.Write("other", std::string(100'000, '\1')));
  MappedFile opened = *MappedFile::Open(folder.Write("file", std::string(100'000, '\1')));
  const MappedFile file = std::move(opened);
  ASSERT_EQ(truncate(folder.Path("file").c_str(), 5000), 0);
  EXPECT_LE(SumOf(file), 8192);
  EXPECT_EQ(file.CheckWhole().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(file.CheckWhole().message()), HasSubstr(folder.Path("file") + ": became shorter"));
  EXPECT_EQ(SumOf(other), 100'000);
  EXPECT_EQ(other.CheckWhole(), absl::OkStatus()) << "its neighbour is whole";
}

TEST(MappedFileTest, APlaceInTheListIsGivenBack) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("file", "x");
  for (int i = 0; i < 2 * kMostMappedFiles; ++i) ASSERT_TRUE(MappedFile::Open(path).ok()) << i;
  std::vector<MappedFile> files;
  for (int i = 0; i < kMostMappedFiles; ++i) files.push_back(*MappedFile::Open(path));
  EXPECT_EQ(MappedFile::Open(path).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(MappedFileTest, ThreadsThatOpenAtOnceGetAPlaceEach) {
  constexpr int kThreads = 8;
  const TemporaryFolder folder;
  const std::string path = folder.Write("file", "x");
  for (int round = 0; round < 20; ++round) {
    std::vector<std::vector<MappedFile>> files(kThreads);
    std::vector<std::thread> threads;
    for (std::vector<MappedFile>& own : files) {
      threads.emplace_back([&] {
        for (int i = 0; i < kMostMappedFiles / kThreads; ++i) own.push_back(*MappedFile::Open(path));
      });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_FALSE(MappedFile::Open(path).ok()) << "two threads share a place";
  }
}

TEST(MappedFileTest, EmptyFilesFoldersAndPipesAreRefused) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo(folder.Path("pipe").c_str(), 0600), 0);
  EXPECT_THAT(std::string(MappedFile::Open(folder.Write("empty", "")).status().message()), HasSubstr("is empty"));
  EXPECT_THAT(std::string(MappedFile::Open(folder.Path("pipe")).status().message()), HasSubstr("not a regular file"));
  EXPECT_EQ(MappedFile::Open("/nowhere").status().code(), absl::StatusCode::kNotFound);
}

#if !defined(ABSL_HAVE_ADDRESS_SANITIZER) && !defined(ABSL_HAVE_THREAD_SANITIZER)  // which handle it themselves
TEST(MappedFileDeathTest, ABusErrorThatIsNoneOfOursEndsTheProcessAsBefore) {
  const TemporaryFolder folder;
  const MappedFile file = *MappedFile::Open(folder.Write("file", "x"));
  EXPECT_EXIT(raise(SIGBUS), ::testing::KilledBySignal(SIGBUS), "");
}
#endif

}  // namespace
}  // namespace videodiffcr
