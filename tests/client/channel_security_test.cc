#include "client/channel_security.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

std::string FileWith(absl::string_view content) {
  static int files = 0;
  const std::string path = absl::StrCat(testing::TempDir(), "/channel_security_", ++files);
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

// What becomes of a channel, as its status.
absl::Status Made(const ChannelSecurity& security) {
  return MakeChannel("127.0.0.1:1", security, grpc::ChannelArguments()).status();
}

void ExpectRefused(const ChannelSecurity& security, const std::string& path, absl::string_view why) {
  const absl::Status made = Made(security);
  EXPECT_EQ(made.code(), absl::StatusCode::kInvalidArgument) << made;
  EXPECT_EQ(made.message(), absl::StrCat(path, ": ", why));
}

TEST(ChannelSecurityTest, ATokenIsWhatAFileHoldsWithoutTheSpaceAroundIt) {
  EXPECT_EQ(Made({.token_file = FileWith(" vd-0123_abc.=+/\n\n")}), absl::OkStatus());
}

TEST(ChannelSecurityTest, AFileWithoutATokenIsNamedInsteadOfAskingWithoutOne) {
  for (const char* content : {"", "\n", " \t\r\n"}) {
    const std::string path = FileWith(content);
    ExpectRefused({.token_file = path}, path, "holds no token");
  }
}

TEST(ChannelSecurityTest, AFileWithMoreThanATokenIsNamedBeforeAHeaderIsMadeOfIt) {
  for (const char* content : {"one two", "one\ntwo", "one\x01", "\xEF\xBB\xBFone", "caf\xC3\xA9"}) {
    const std::string path = FileWith(content);
    ExpectRefused({.token_file = path}, path, "holds more than a token, which is one word in ASCII");
  }
}

TEST(ChannelSecurityTest, AnAuthorityWithoutACertificateIsNamedInsteadOfTrustingTheSystems) {
  for (const char* content : {"", "no PEM", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"}) {
    const std::string path = FileWith(content);
    ExpectRefused({.tls = true, .tls_ca = path}, path, "holds no certificate in PEM form");
  }
}

TEST(ChannelSecurityTest, AKeyFileWithoutAKeyIsNamed) {
  const std::string certificate = FileWith("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n");
  ExpectRefused({.tls = true, .tls_certificate = certificate, .tls_key = certificate}, certificate,
                "holds no private key in PEM form");
}

}  // namespace
}  // namespace videodiffcr
