#include "system/whole_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;

int FilesIn(const TemporaryFolder& folder) {
  return static_cast<int>(std::distance(fs::directory_iterator(folder.Path("")), fs::directory_iterator()));
}

// No file of this process may become longer while this lives: a disk that is full, without one.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_ = {};
};

TEST(WholeFileTest, AFileIsReplacedAndKeepsWhoMayReadIt) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("report.json", "older");
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  EXPECT_TRUE(WriteWholeFile(path, "new").ok());
  EXPECT_EQ(ReadFile(path), "new");
  struct stat found {};
  ASSERT_EQ(stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0640u);
  EXPECT_EQ(FilesIn(folder), 1);
}

TEST(WholeFileTest, AFullDiskLeavesTheOlderFileOrNone) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("report.json", "older");
  const FullDisk full(100);
  const absl::Status status = WriteWholeFile(path, std::string(200, 'x'));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write " + path));
  EXPECT_EQ(ReadFile(path), "older");
  EXPECT_FALSE(WriteWholeFile(folder.Path("other.json"), std::string(200, 'x')).ok());
  EXPECT_EQ(FilesIn(folder), 1);
}

// No name that is longer is left for the bytes until they are all there.
TEST(WholeFileTest, ANameOfAnyLengthLeavesTheOlderFileOnAFullDisk) {
  const TemporaryFolder folder;
  for (const size_t length : {247, 248, 255}) {
    const std::string path = folder.Write(std::string(length, 'n'), "older");
    for (const auto write : {WriteWholeFile, WriteSecretFile}) {
      EXPECT_TRUE(write(path, "new").ok()) << length;
      EXPECT_EQ(ReadFile(path), "new");
      const FullDisk full(100);
      EXPECT_FALSE(write(path, std::string(200, 'x')).ok());
      EXPECT_EQ(ReadFile(path), "new") << length;
    }
  }
  EXPECT_EQ(FilesIn(folder), 3);
}

// As where there is no inode left for another file, or the quota is used up.
TEST(WholeFileTest, AnOlderFileStaysWhereNoneCanBeMadeBesideIt) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("report.json", "older");
  fs::create_directory(path + ".partial");
  EXPECT_THAT(std::string(WriteWholeFile(path, "new").message()), HasSubstr("cannot write " + path));
  EXPECT_EQ(ReadFile(path), "older");
  fs::remove(path + ".partial");
  ASSERT_EQ(mkfifo((path + ".partial").c_str(), 0600), 0);
  EXPECT_FALSE(WriteWholeFile(path, "new").ok()) << "and nobody waits for who reads a pipe";
  EXPECT_EQ(ReadFile(path), "older");
}

TEST(WholeFileTest, AFileInAFolderThatMayTakeNoOtherIsWrittenInPlace) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("report.json", "older");
  const uid_t user = geteuid();
  ASSERT_EQ(chmod(path.c_str(), 0666) | chmod(folder.Path("").c_str(), 0555), 0);
  ASSERT_EQ(seteuid(user == 0 ? 65534 : user), 0);  // whom permissions hold back
  const absl::Status status = WriteWholeFile(path, "new");
  ASSERT_EQ(seteuid(user) | chmod(folder.Path("").c_str(), 0755), 0);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadFile(path), "new");
}

TEST(WholeFileTest, ACopyIsThereWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const std::string from = folder.Write("weights", std::string(200, 'w')), to = folder.Path("copy");
  {
    const FullDisk full(100);
    EXPECT_THAT(std::string(CopyWholeFile(from, to).message()), HasSubstr("cannot write " + to));
  }
  EXPECT_EQ(FilesIn(folder), 1);
  EXPECT_TRUE(CopyWholeFile(from, to).ok());
  EXPECT_EQ(ReadFile(to), ReadFile(from));
  EXPECT_TRUE(CopyWholeFile(folder.Write("empty", ""), to).ok());
  EXPECT_EQ(ReadFile(to), "");
  EXPECT_THAT(std::string(CopyWholeFile(folder.Path("none"), to).message()), HasSubstr("none"));
}

TEST(WholeFileTest, WhatIsAddedIsAddedWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("clips.csv");
  EXPECT_TRUE(AppendWhole(path, "one\n").ok());
  EXPECT_TRUE(AppendWhole(path, "two\n").ok());
  {
    const FullDisk full(10);
    EXPECT_THAT(std::string(AppendWhole(path, "three\n").message()), HasSubstr("cannot write " + path));
  }
  EXPECT_EQ(ReadFile(path), "one\ntwo\n");
  EXPECT_FALSE(AppendWhole("/nowhere/clips.csv", "one\n").ok());
}

TEST(WholeFileTest, ALinkStaysOneAndTheFileBehindItIsReplaced) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("file", "older");
  fs::create_symlink("file", folder.Path("link"));
  EXPECT_TRUE(WriteWholeFile(folder.Path("link"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(folder.Path("link")));
  EXPECT_EQ(ReadFile(path), "new");
}

TEST(WholeFileTest, AFileThatALinkLeadsToNeedNotBeThereYet) {
  const TemporaryFolder folder;
  fs::create_directory(folder.Path("data"));
  fs::create_symlink("data/current", folder.Path("link"));
  fs::create_symlink("file", folder.Path("data/current"));
  EXPECT_TRUE(WriteWholeFile(folder.Path("link"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(folder.Path("link")));
  EXPECT_TRUE(fs::is_symlink(folder.Path("data/current")));
  EXPECT_EQ(ReadFile(folder.Path("data/file")), "new");
}

TEST(WholeFileTest, ANewSecretFileIsNotForEverybodyAndAnOlderOneKeepsWhoMayReadIt) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("tokens.json");
  const auto mode = [&path] {
    struct stat found {};
    EXPECT_EQ(stat(path.c_str(), &found), 0);
    return found.st_mode & 07777;
  };
  EXPECT_TRUE(WriteSecretFile(path, "new").ok());
  EXPECT_EQ(mode() & 0007, 0u);
  ASSERT_EQ(chmod(path.c_str(), 0604), 0);
  EXPECT_TRUE(WriteSecretFile(path, "newer").ok());
  EXPECT_EQ(mode(), 0604u);
  EXPECT_EQ(ReadFile(path), "newer");
  EXPECT_EQ(FilesIn(folder), 1);
}

TEST(WholeFileTest, ASecretFileBehindALinkIsReplacedAndTheLinkStays) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("file", "older");
  fs::create_symlink("file", folder.Path("link"));
  EXPECT_TRUE(WriteSecretFile(folder.Path("link"), "new").ok());
  EXPECT_TRUE(fs::is_symlink(folder.Path("link")));
  EXPECT_EQ(ReadFile(path), "new");
}

TEST(WholeFileTest, ADiskThatIsFullAfterAPartOfASecretFileIsTheReasonThatIsGiven) {
  const TemporaryFolder folder;
  const std::string path = folder.Write("tokens.json", "older");
  const FullDisk full(100);
  const absl::Status status = WriteSecretFile(path, std::string(200, 'x'));
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("cannot write " + path), HasSubstr("File too large")));
  EXPECT_EQ(ReadFile(path), "older");
  EXPECT_EQ(FilesIn(folder), 1);
}

TEST(WholeFileTest, APipeAndADeviceAreWrittenToAsTheyAre) {
  const TemporaryFolder folder;
  const std::string pipe = folder.Path("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(WriteWholeFile(pipe, "nobody reads").ok());
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  EXPECT_TRUE(WriteWholeFile(pipe, "through").ok());
  char bytes[16];
  EXPECT_EQ(read(reader, bytes, sizeof(bytes)), 7);
  close(reader);
  EXPECT_TRUE(WriteWholeFile("/dev/null", "away").ok());
  EXPECT_THAT(std::string(WriteWholeFile("/dev/full", "away").message()), HasSubstr("No space left"));
  EXPECT_EQ(FilesIn(folder), 1);
}

TEST(WholeFileTest, AFolderThatIsNotThereIsNamed) {
  const absl::Status status = WriteWholeFile("/nowhere/report.json", "text");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write /nowhere/report.json"));
}

}  // namespace
}  // namespace videodiffcr
