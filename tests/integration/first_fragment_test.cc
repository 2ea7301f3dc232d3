// What docs/protocol.md says of the first fragment, on real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"
#include "tests/server/media/video_judge.h"

namespace videodiffcr {
namespace {

using Response = v1::StreamVideoResponse;

// By both calls that there are: what of a session with a first fragment arrives until its end.
std::vector<Response> ReadSession(TestServer* server, const v1::SessionConfig& config, bool one_clip) {
  if (!one_clip) return TestStream(server->NewConnection(), config).Rest();
  const auto stub = v1::VideoGenerationService::NewStub(server->NewConnection());
  v1::GenerateVideoRequest request;
  *request.mutable_config() = config;
  grpc::ClientContext context;
  const auto stream = stub->GenerateVideo(&context, request);
  std::vector<Response> responses;
  for (v1::GenerateVideoResponse response; stream->Read(&response);) {
    // The same messages under the same numbers.
    EXPECT_TRUE(responses.emplace_back().ParseFromString(response.SerializeAsString()));
  }
  EXPECT_TRUE(stream->Finish().ok());
  return responses;
}

v1::SessionConfig WithFirstFragment(v1::SessionConfig config, int frames) {
  config.mutable_output()->set_first_fragment_frames(frames);
  return config;
}

TEST(FirstFragmentTest, TheFirstFragmentComesOnceBetweenTheStartAndTheChunkThatBeginsWithIt) {
  for (const bool one_clip : {false, true}) {
    TestServer server;
    const std::vector<Response> responses = ReadSession(&server, WithFirstFragment(SmallConfig(2), 8), one_clip);
    ASSERT_FALSE(responses.empty());
    EXPECT_TRUE(responses.front().has_started());
    std::string said;
    std::string fragment;
    for (const Response& response : responses) {
      if (response.has_first_fragment()) {
        said += "fragment ";
        EXPECT_EQ(response.event_number(), 0);
        fragment = response.first_fragment().init_segment() + response.first_fragment().payload();
      }
      if (response.has_chunk()) {
        if (response.chunk().sequence() == 0) {
          const std::string chunk = response.chunk().init_segment() + response.chunk().payload();
          EXPECT_TRUE(chunk.substr(0, fragment.size()) == fragment);
          EXPECT_EQ(ProbeVideo(fragment, "mp4").frames.size(), 8u);
        }
        said += absl::StrCat("chunk ", response.chunk().sequence(), " ");
      }
    }
    EXPECT_EQ(said, "fragment chunk 0 chunk 1 ");
  }
}

TEST(FirstFragmentTest, ACallThatResumesIsSentChunkZeroWholeAndNoFirstFragment) {
  TestServer server;
  v1::SessionConfig config = WithFirstFragment(RawConfig(2, 1), 1);
  config.set_resumable(true);
  TestStream first(server.NewConnection(), config);
  const std::string token = first.NextOf(Response::kStarted)->started().resume_token();
  ASSERT_TRUE(first.NextOf(Response::kFirstFragment).has_value());
  const std::optional<v1::VideoChunk> chunk = first.NextChunk();
  ASSERT_TRUE(chunk.has_value());
  first.Cancel();
  first.Rest();
  TestStream second(server.NewConnection());
  v1::StreamVideoRequest resume;
  resume.mutable_resume()->set_resume_token(token);
  second.Send(resume);
  std::vector<v1::VideoChunk> again;
  for (const Response& response : second.Rest()) {
    EXPECT_FALSE(response.has_first_fragment());
    if (response.has_chunk()) again.push_back(response.chunk());
  }
  ASSERT_EQ(again.size(), 2u);
  EXPECT_TRUE(again[0].payload() == chunk->payload());
}

}  // namespace
}  // namespace videodiffcr
