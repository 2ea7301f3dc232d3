#include "server/access/certificate_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/rsa.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
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
    ReplaceFile(files_.certificate, made.certificate);
    ReplaceFile(files_.key, made.key);
  }
  std::string Complaint(absl::Time now = kNow) const {
    return std::string(ReadCertificates(files_, now).status().message());
  }

  CertificateFiles files_;
};

TEST_F(CertificateFilesTest, AGoodPairTellsItsExpiry) { EXPECT_EQ(ReadCertificates(files_, kNow)->expiry, kExpiry); }

TEST_F(CertificateFilesTest, WhatCannotBeUsedIsNamedByItsPath) {
  EXPECT_THAT(Complaint(kExpiry + absl::Seconds(1)), HasSubstr("has expired"));
  EXPECT_THAT(Complaint(kNow - absl::Hours(48)), HasSubstr("not valid before"));
  ReplaceFile(files_.key, MakeCertificate(kExpiry).key);
  EXPECT_THAT(Complaint(), HasSubstr("is not the key of the certificate"));
  ReplaceFile(files_.key, "no key");
  EXPECT_THAT(Complaint(), HasSubstr(files_.key));
  ReplaceFile(files_.certificate, "no certificate");
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

TEST_F(CertificateFilesTest, EachBlockOfAChainAndOfTheAuthoritiesIsLookedAt) {
  const std::string good = MakeCertificate(kExpiry).certificate;
  const std::string broken = absl::StrReplaceAll(good, {{"MII", "MI!"}});
  const MadeCertificate own = MakeCertificate(kExpiry);
  ReplaceFile(files_.key, own.key);
  ReplaceFile(files_.certificate, own.certificate + good);
  EXPECT_EQ(Complaint(), "");
  ReplaceFile(files_.certificate, own.certificate + broken);
  EXPECT_THAT(Complaint(), HasSubstr("its certificate 2 is broken"));
  ReplaceFile(files_.certificate, own.certificate);
  files_.client_ca = files_.certificate + ".ca";
  for (const auto& [authorities, complaint] : {std::pair<std::string, std::string>{good + "\n" + good + "\n", ""},
                                               {good + broken, "its certificate 2 is broken"},
                                               {"", "holds no certificate"}}) {
    ReplaceFile(files_.client_ca, authorities);
    EXPECT_THAT(Complaint(), HasSubstr(complaint));
  }
  unlink(files_.client_ca.c_str());
}

TEST_F(CertificateFilesTest, AKeyTooShortForTlsIsNamed) {
  Write(MakeCertificate(kExpiry, EVP_RSA_gen(512)));
  EXPECT_THAT(Complaint(), HasSubstr("cannot be served: ee key too small"));
}

class ServedCertificatesTest : public CertificateFilesTest {
 protected:
  ServedCertificatesTest() : served_(*ServedCertificates::Create(files_, kNow)) {}
  std::unique_ptr<ServedCertificates> served_;
};

TEST_F(ServedCertificatesTest, ANewCertificateIsTakenOnce) {
  EXPECT_EQ(served_->TakeChanged()->expiry, kExpiry);
  EXPECT_FALSE(served_->TakeChanged().has_value());
  const MadeCertificate renewed = MakeCertificate(kExpiry + absl::Seconds(500));
  Write(renewed);
  EXPECT_TRUE(served_->ReadIfChanged(kNow).ok());
  EXPECT_EQ(served_->expiry(), kExpiry + absl::Seconds(500));
  EXPECT_EQ(served_->TakeChanged()->certificate, renewed.certificate);
  EXPECT_TRUE(served_->ReadIfChanged(kNow).ok());
  EXPECT_FALSE(served_->TakeChanged().has_value());
}

TEST_F(ServedCertificatesTest, OfAWrongOneItComplainsOnceAndGoesOnWithTheLast) {
  served_->TakeChanged();
  ReplaceFile(files_.certificate, "no certificate");
  EXPECT_FALSE(served_->ReadIfChanged(kNow).ok());
  EXPECT_TRUE(served_->ReadIfChanged(kNow).ok()) << "told once";
  ReplaceFile(files_.certificate, MakeCertificate(kExpiry).certificate);
  EXPECT_FALSE(served_->ReadIfChanged(kNow).ok()) << "another complaint";
  EXPECT_EQ(served_->expiry(), kExpiry);
  EXPECT_FALSE(served_->TakeChanged().has_value());
}

TEST_F(ServedCertificatesTest, ACertificateThatBecomesValidIsTakenThen) {
  served_->TakeChanged();
  Write(MakeCertificate(kExpiry + absl::Seconds(500)));
  EXPECT_FALSE(served_->ReadIfChanged(kNow - absl::Hours(48)).ok());
  EXPECT_FALSE(served_->TakeChanged().has_value());
  EXPECT_TRUE(served_->ReadIfChanged(kNow).ok());
  EXPECT_EQ(served_->TakeChanged()->expiry, kExpiry + absl::Seconds(500));
}

}  // namespace
}  // namespace videodiffcr
