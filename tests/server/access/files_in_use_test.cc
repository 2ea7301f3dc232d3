#include "server/access/files_in_use.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/server/access/made_certificate.h"

namespace videodiffcr {
namespace {

class FilesInUseTest : public testing::Test {
 protected:
  FilesInUseTest()
      : first_(absl::StrCat(testing::TempDir(), "files_in_use_1_", getpid())),
        second_(absl::StrCat(testing::TempDir(), "files_in_use_2_", getpid())) {
    ReplaceFile(first_, "one");
    ReplaceFile(second_, "two");
  }
  ~FilesInUseTest() override {
    unlink(first_.c_str());
    unlink(second_.c_str());
  }
  absl::Status Read() {
    return files_.ReadIfChanged([&] {
      ++reads_;
      return answer_;
    });
  }
  const std::string first_;
  const std::string second_;
  FilesInUse files_{{first_, second_}};
  int reads_ = 0;
  absl::Status answer_;
};

TEST_F(FilesInUseTest, AreReadOnceUntilOneOfThemChanges) {
  EXPECT_TRUE(Read().ok());
  EXPECT_TRUE(Read().ok());
  EXPECT_EQ(reads_, 1);
  ReplaceFile(second_, "another");
  EXPECT_TRUE(Read().ok());
  unlink(first_.c_str());
  EXPECT_TRUE(Read().ok());
  EXPECT_EQ(reads_, 3);
}

TEST_F(FilesInUseTest, AreTriedAgainAndComplainedAboutOnceUntilTheComplaintIsAnother) {
  answer_ = absl::UnavailableError("no descriptors");
  EXPECT_EQ(Read(), answer_);
  EXPECT_TRUE(Read().ok());
  EXPECT_EQ(reads_, 2);
  answer_ = absl::InvalidArgumentError("half a file");
  EXPECT_EQ(Read(), answer_);
  answer_ = absl::OkStatus();
  EXPECT_TRUE(Read().ok());
  ReplaceFile(first_, "changed");
  answer_ = absl::InvalidArgumentError("half a file");
  EXPECT_EQ(Read(), answer_) << "all had been well in between";
}

TEST_F(FilesInUseTest, AFileThatComesBackAsItWasNeedsNoReadingAndEndsTheComplaint) {
  EXPECT_TRUE(Read().ok());
  const std::string aside = absl::StrCat(first_, ".aside");
  ASSERT_EQ(rename(first_.c_str(), aside.c_str()), 0);
  answer_ = absl::NotFoundError("gone");
  EXPECT_EQ(Read(), answer_);
  ASSERT_EQ(rename(aside.c_str(), first_.c_str()), 0);
  EXPECT_TRUE(Read().ok());
  EXPECT_EQ(reads_, 2);
  unlink(first_.c_str());
  EXPECT_EQ(Read(), answer_) << "told again";
}

TEST_F(FilesInUseTest, AChangeWhileTheyAreReadIsFoundNextTime) {
  EXPECT_TRUE(files_
                  .ReadIfChanged([&] {
                    ReplaceFile(first_, "changed meanwhile");
                    return absl::OkStatus();
                  })
                  .ok());
  EXPECT_TRUE(Read().ok());
  EXPECT_EQ(reads_, 1);
}

}  // namespace
}  // namespace videodiffcr
