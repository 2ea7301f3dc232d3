#include "gateway/http/multipart.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr char kType[] = "multipart/form-data; boundary=xyz";

std::string Part(const std::string& name, const std::string& value) {
  return absl::StrCat("--xyz\r\nContent-Disposition: form-data; name=\"", name, "\"\r\n\r\n", value, "\r\n");
}

TEST(MultipartTest, EachPartIsItsNameAndItsBytes) {
  const auto parts = ParseMultipart(kType, Part("prompt", "a\r\n--x\r\nb") + Part("empty", "") + "--xyz--\r\n");
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[0].name, "prompt");
  EXPECT_EQ((*parts)[0].value, "a\r\n--x\r\nb");
  EXPECT_EQ((*parts)[1].value, "");
}

TEST(MultipartTest, ABoundaryMayBeQuotedAndAPartMayHaveAFileName) {
  const auto parts = ParseMultipart("Multipart/Form-Data; Boundary=\"xyz\"",
                                    "--xyz\r\ncontent-type: text/plain\r\ncontent-disposition: form-data; "
                                    "filename=\"f\"; name=\"n\"\r\n\r\nv\r\n--xyz--");
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ((*parts)[0].name, "n");
}

TEST(MultipartTest, WhatIsNotWholeIsRefused) {
  std::string many;
  for (int i = 0; i < 33; ++i) many += Part("n", "v");
  const std::pair<std::string, std::string> cases[] = {
      {"multipart/form-data", "--xyz--"},
      {"multipart/form-data; boundary=", "--xyz--"},
      {absl::StrCat("multipart/form-data; boundary=", std::string(71, 'b')), "--xyz--"},
      {kType, ""},
      {kType, "--xyz"},
      {kType, "--xyz\r\n"},
      {kType, "--xyzContent"},
      {kType, "--xyz\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nv"},
      {kType, "--xyz\r\nContent-Disposition: form-data\r\n\r\nv\r\n--xyz--"},
      {kType, Part("n", "v")},
      {kType, many + "--xyz--"}};
  for (const auto& [type, body] : cases) {
    EXPECT_EQ(ParseMultipart(type, body).status().code(), absl::StatusCode::kInvalidArgument) << body.substr(0, 80);
  }
}

}  // namespace
}  // namespace videodiffcr
