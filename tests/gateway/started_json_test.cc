#include "gateway/live/started_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace videodiffcr {
namespace {

using ::testing::UnorderedElementsAreArray;

// A field that the API gets is in neither list, until somebody has decided whether viewers are to see it.
TEST(StartedJsonTest, EveryFieldOfAStartIsToldToViewersOrKeptFromThem) {
  const std::vector<std::string> kept = {"resume_token", "watch_token"};
  std::vector<std::string> seen = kept, fields;
  const nlohmann::json told = StartedJson(v1::SessionStarted());
  for (const auto& item : told.items()) seen.push_back(item.key());
  const google::protobuf::Descriptor& start = *v1::SessionStarted::descriptor();
  for (int i = 0; i < start.field_count(); ++i) fields.push_back(start.field(i)->name());
  EXPECT_THAT(fields, UnorderedElementsAreArray(seen));
}

TEST(StartedJsonTest, TokensAreNotToldAndTheRestIsAsTheApiSaysIt) {
  v1::SessionStarted started;
  started.set_session_id("session-1");
  started.set_resume_token("secret");
  started.set_watch_token("secret");
  started.set_seed(UINT64_MAX);
  started.set_codec(v1::CODEC_H264);
  const nlohmann::json told = StartedJson(started);
  EXPECT_EQ(told["session_id"], "session-1");
  EXPECT_EQ(told["seed"], "18446744073709551615");
  EXPECT_EQ(told["codec"], "CODEC_H264");
  EXPECT_EQ(told.dump().find("secret"), std::string::npos);
}

// A field without a name here, as one that a newer server sends.
TEST(StartedJsonTest, WhatIsNotKnownIsNotTold) {
  v1::SessionStarted started;
  started.GetReflection()->MutableUnknownFields(&started)->AddLengthDelimited(4000, "secret");
  EXPECT_EQ(StartedJson(started), StartedJson(v1::SessionStarted()));
}

}  // namespace
}  // namespace videodiffcr
