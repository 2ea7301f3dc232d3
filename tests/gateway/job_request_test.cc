#include <gtest/gtest.h>

#include <string>

#include "client/call_status.h"
#include "gateway/jobs/job.h"

namespace videodiffcr {
namespace {

constexpr char kForm[] = "application/x-www-form-urlencoded";

absl::StatusOr<JobRequest> Parse(const std::string& type, const std::string& body) {
  HttpRequest request;
  request.headers["content-type"] = type;
  request.body = body;
  return ParseJobRequest(request);
}

TEST(JobRequestTest, JsonAndBothKindsOfFormsSayTheSame) {
  const std::string part = "--x\r\nContent-Disposition: form-data; name=";
  const std::pair<std::string, std::string> bodies[] = {
      {"application/json", R"({"prompt": "a red circle", "seconds": "2", "budget": 0.7, "seed": 9})"},
      {kForm, "prompt=a+red%20circle&seconds=2&budget=0.7&seed=9"},
      {kForm, R"( {"prompt": "a red circle", "seconds": 2, "budget": 0.7, "seed": "9"})"},  // as curl -d sends it
      {"multipart/form-data; boundary=x", part + "prompt\r\n\r\na red circle\r\n" + part + "seconds\r\n\r\n2\r\n" +
                                              part + "budget\r\n\r\n0.7\r\n" + part + "seed\r\n\r\n9\r\n--x--\r\n"}};
  for (const auto& [type, body] : bodies) {
    const absl::StatusOr<JobRequest> request = Parse(type, body);
    ASSERT_TRUE(request.ok()) << body << ": " << request.status();
    EXPECT_EQ(request->prompt, "a red circle");
    EXPECT_EQ(request->seconds, 2);
    EXPECT_EQ(request->budget, 0.7);
    EXPECT_EQ(request->seed, 9u);
  }
}

TEST(JobRequestTest, AFormThatIsBrokenOrSaysWhatIsNotUnderstoodIsRefusedWithTheReason) {
  const std::pair<std::string, std::string> wrong[] = {{"prompt=%zz", "MALFORMED_REQUEST"},
                                                       {"prompt=&seconds=2", "PROMPT_EMPTY"},
                                                       {"seconds=2", "PROMPT_EMPTY"},
                                                       {"prompt=a&colour=red", "UNKNOWN_FIELD"},
                                                       {"prompt=a&seconds=long", "UNSUPPORTED_VALUE"}};
  for (const auto& [body, reason] : wrong) {
    const absl::StatusOr<JobRequest> request = Parse(kForm, body);
    ASSERT_FALSE(request.ok()) << body;
    EXPECT_EQ(ErrorInfoOf(request.status())->reason(), reason) << body;
  }
}

}  // namespace
}  // namespace videodiffcr
