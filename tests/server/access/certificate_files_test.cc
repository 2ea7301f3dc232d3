#include "server/access/certificate_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/access/tls_credentials.h"
#include "tests/server/access/made_certificate.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::Now();
const absl::Time kExpiry = absl::FromUnixSeconds(absl::ToUnixSeconds(kNow) + 1000);

class CertificateFilesTest : public testing::Test {
 protected:
  CertificateFilesTest() {
    const std::string folder = absl::StrCat(testing::TempDir(), "certificates_", getpid());
    files_ = {folder + ".crt", folder + ".key", ""};
    Write(MakeCertificate(kExpiry));
  }
  ~CertificateFilesTest() override {
    unlink(files_.certificate.c_str());
    unlink(files_.key.c_str());
  }
  void Write(const MadeCertificate& made) {
    WriteFile(files_.certificate, made.certificate);
    WriteFile(files_.key, made.key);
  }
  std::string Complaint(absl::Time now = kNow) const {
    return std::string(CheckCertificates(files_, now).status().message());
  }

  CertificateFiles files_;
};

TEST_F(CertificateFilesTest, AGoodPairTellsItsExpiry) { EXPECT_EQ(*CheckCertificates(files_, kNow), kExpiry); }

TEST_F(CertificateFilesTest, WhatCannotBeUsedIsNamedByItsPath) {
  EXPECT_THAT(Complaint(kExpiry + absl::Seconds(1)), HasSubstr("has expired"));
  EXPECT_THAT(Complaint(kNow - absl::Hours(48)), HasSubstr("not valid before"));
  WriteFile(files_.key, MakeCertificate(kExpiry).key);
  EXPECT_THAT(Complaint(), HasSubstr("is not the key of the certificate"));
  WriteFile(files_.key, "no key");
  EXPECT_THAT(Complaint(), HasSubstr(files_.key));
  WriteFile(files_.certificate, "no certificate");
  EXPECT_THAT(Complaint(), HasSubstr("holds no certificate"));
  files_.certificate = "/nowhere/tls.crt";
  EXPECT_THAT(Complaint(), HasSubstr("/nowhere/tls.crt"));
}

TEST_F(CertificateFilesTest, FilesThatNeedEachOtherComeTogether) {
  EXPECT_TRUE(CheckTogether({}).ok());
  EXPECT_TRUE(CheckTogether(files_).ok());
  EXPECT_THAT(CheckTogether({"a", "", ""}).message(), HasSubstr("tls_key"));
  EXPECT_THAT(CheckTogether({"", "a", ""}).message(), HasSubstr("tls_certificate"));
  EXPECT_THAT(CheckTogether({"", "", "a"}).message(), HasSubstr("tls_certificate"));
}

TEST_F(CertificateFilesTest, TheWatchSeesANewCertificateAndComplainsOnceOfAWrongOne) {
  CertificateWatch watch(files_, kExpiry);
  Write(MakeCertificate(kExpiry + absl::Seconds(500)));
  EXPECT_TRUE(watch.LookAgain(kNow).ok());
  EXPECT_EQ(watch.expiry(), kExpiry + absl::Seconds(500));
  WriteFile(files_.certificate, "no certificate");
  EXPECT_FALSE(watch.LookAgain(kNow).ok());
  EXPECT_TRUE(watch.LookAgain(kNow).ok());
  EXPECT_EQ(watch.expiry(), kExpiry + absl::Seconds(500));
}

}  // namespace
}  // namespace videodiffcr
