#include "server/logging/log_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

LogRecord Example() {
  LogRecord record{LogLevel::kWarning, "session_ended", "session ended", {}};
  record.fields = {{"session", "session-1"},
                   {"error", "a \"quoted\" \\ word\n"},
                   {"chunks", int64_t{3}},
                   {"seconds", 1.5},
                   {"tenant", ""}};
  return record;
}

TEST(LogLineTest, AJsonLineIsOneObjectOfTheSchemaWhateverIsInIt) {
  const std::string line = FormatLogRecord(Example(), LogFormat::kJson, absl::UnixEpoch());
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  const nlohmann::json object = nlohmann::json::parse(line);
  EXPECT_EQ(object["time"], "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(object["level"], "warning");
  EXPECT_EQ(object["event"], "session_ended");
  EXPECT_EQ(object["message"], "session ended");
  EXPECT_EQ(object["session"], "session-1");
  EXPECT_EQ(object["error"], "a \"quoted\" \\ word\\x0a");
  EXPECT_EQ(object["chunks"], 3);
  EXPECT_EQ(object["seconds"], 1.5);
  EXPECT_FALSE(object.contains("tenant")) << "an empty field is left out";
}

TEST(LogLineTest, ATextLineHasTheSameFieldsAndQuotesWhatABlankWouldEnd) {
  EXPECT_EQ(FormatLogRecord(Example(), LogFormat::kText, absl::UnixEpoch()),
            "1970-01-01T00:00:00.000Z warning session ended session=session-1 "
            "error=\"a \\\"quoted\\\" \\\\ word\\\\x0a\" chunks=3 seconds=1.5");
}

}  // namespace
}  // namespace videodiffcr
