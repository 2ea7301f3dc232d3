// Certificates, tokens and the log, with the real server and the real client as operators and users start them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <map>
#include <string>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "grpcpp/grpcpp.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/server_process.h"
#include "tests/server/access/made_certificate.h"
#include "tests/system/read_file.h"
#include "videodiffcr/v1/video_generation.grpc.pb.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kPrompt[] = "a red circle moves right";
constexpr char kTrace[] = "4bf92f3577b34da6a3ce929d0e0e4736";

class SecuredServer : public testing::Test {
 protected:
  SecuredServer() {
    const MadeCertificate made = MakeCertificate(absl::Now() + absl::Hours(1));
    ReplaceFile(Path("crt"), made.certificate);
    ReplaceFile(Path("key"), made.key);
    const Finished added = RunProgram({BinaryPath("videodiffcr-server"), "tokens", "add", "--tokens-file", Path("json"),
                                       "--max-sessions", "4", "acme"});
    EXPECT_EQ(added.status, 0) << added.output;
    token_ = std::string(absl::StripSuffix(added.output, "\n"));
    ReplaceFile(Path("token"), token_);
  }
  ~SecuredServer() override {
    for (const char* each : {"crt", "key", "json", "token", "mp4"}) std::filesystem::remove(Path(each));
  }
  static std::string Path(const std::string& ending) { return TempPath("access." + ending); }
  static std::vector<std::string> Flags() {
    return {"--tls-certificate=" + Path("crt"), "--tls-key=" + Path("key"), "--tokens-file=" + Path("json"),
            "--log-format=json"};
  }

  std::string token_;
};

// The same call as kPrompt's, refused for its size, with a trace.
void CallWithTrace(const std::string& address, const std::string& authority, const std::string& token) {
  const auto channel = grpc::CreateChannel(address, grpc::SslCredentials({authority, "", ""}));
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + token);
  context.AddMetadata("traceparent", std::string("00-") + kTrace + "-00f067aa0ba902b7-01");
  v1::GenerateVideoRequest request;
  request.mutable_config()->set_prompt(kPrompt);
  request.mutable_config()->set_width(17);
  const auto stub = v1::VideoGenerationService::NewStub(channel);
  EXPECT_EQ(stub->GenerateVideo(&context, request)->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SecuredServer, TheClientComesInWithCertificateAndTokenAndTheLogTellsItAllButPromptsAndTokens) {
  ServerProcess server(Flags());
  const std::vector<std::string> flags = {"--prompt", kPrompt,     "--chunks", "2",
                                          "--output", Path("mp4"), "--tls-ca", Path("crt")};
  const Finished without = RunProgram(Generate(server, flags));
  EXPECT_NE(without.status, 0);
  EXPECT_THAT(without.output, HasSubstr("UNAUTHENTICATED"));
  std::vector<std::string> with_token = flags;
  with_token.insert(with_token.end(), {"--token-file", Path("token")});
  const Finished with = RunProgram(Generate(server, with_token));
  EXPECT_EQ(with.status, 0) << with.output;
  CallWithTrace(server.address(), ReadFile(Path("crt")), token_);
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);

  const std::string log = ReadFile(server.log_path());
  EXPECT_THAT(log, Not(HasSubstr("red circle")));
  EXPECT_THAT(log, Not(HasSubstr(token_)));
  EXPECT_THAT(log, Not(HasSubstr(token_.substr(14)))) << "nor its secret alone";
  std::map<std::string, int> events;
  std::string traced;
  for (absl::string_view line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    const nlohmann::json object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    ASSERT_FALSE(object.is_discarded()) << line;
    for (const char* field : {"time", "level", "event", "message"}) EXPECT_TRUE(object.contains(field)) << line;
    ++events[object["event"]];
    if (object.value("trace_id", "") == kTrace) traced = object["event"];
    if (object["event"] == "session_started") {
      EXPECT_EQ(object["tenant"], "acme");
    }
  }
  EXPECT_EQ(events["session_started"], 1);
  EXPECT_EQ(events["session_ended"], 1);
  EXPECT_GE(events["call_refused"], 2);
  EXPECT_EQ(traced, "call_refused");
}

TEST_F(SecuredServer, AWrongCertificateEndsTheStartWithItsPath) {
  ReplaceFile(Path("key"), "no key");
  std::vector<std::string> command = {BinaryPath("videodiffcr-server"), "--model-folder=" + SourcePath("models/tiny"),
                                      "--listen=127.0.0.1:0", "--metrics-listen="};
  for (const std::string& flag : Flags()) command.push_back(flag);
  const Finished refused = RunProgram(command);
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.output, HasSubstr(Path("key")));
}

}  // namespace
}  // namespace videodiffcr
