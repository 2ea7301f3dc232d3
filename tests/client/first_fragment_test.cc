// A first fragment and the chunk that begins with it, as a client sees them: client/video_call.h and
// client/video_bytes.h.
#include <string>
#include <utility>
#include <vector>

#include "client/video_bytes.h"
#include "client/video_call.h"
#include "client/video_client.h"
#include "gmock/gmock.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/client/scripted_video_service.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Service = ScriptedVideoService;

grpc::Status NoSuchSession() {
  google::rpc::ErrorInfo info;
  info.set_reason("RESUME_TOKEN_INVALID");
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "forgotten", details.SerializeAsString());
}

// The video that it is told in, message for message: what a writer would write.
std::vector<std::string> WriteToTheEnd(VideoCall* call) {
  VideoBytes bytes;
  std::vector<std::string> written;
  while (const auto response = call->Next()) {
    if (response->has_first_fragment() || response->has_chunk()) written.push_back(bytes.Of(*response));
  }
  return written;
}

v1::StreamVideoResponse WithInit(v1::StreamVideoResponse response) {
  (response.has_chunk() ? response.mutable_chunk()->mutable_init_segment()
                        : response.mutable_first_fragment()->mutable_init_segment())
      ->assign("[init]");
  return response;
}

TEST(FirstFragmentTest, OfAFirstFragmentAndItsChunkEachByteIsWrittenOnce) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started("token"));
    stream->Write(WithInit(Service::FirstFragment("fir")));
    stream->Write(WithInit(Service::Chunk(0, "first")));
    stream->Write(Service::Chunk(1, "second"));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_THAT(WriteToTheEnd(call.get()), ElementsAre("[init]fir", "st", "second"));
  EXPECT_TRUE(call->Finish().ok()) << call->Finish();
}

TEST(FirstFragmentTest, WhoPassesOverAFirstFragmentHasTheWholeVideoInItsChunks) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started("token"));
    stream->Write(WithInit(Service::FirstFragment("fir")));
    stream->Write(WithInit(Service::Chunk(0, "first")));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  std::string video;
  while (const auto response = call->Next()) video += response->chunk().init_segment() + response->chunk().payload();
  EXPECT_EQ(video, "[init]first");
}

TEST(FirstFragmentTest, ABreakBetweenAFirstFragmentAndItsChunkDoublesNothing) {
  Service service(
      [](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
        stream->Write(Service::Started("token"));
        stream->Write(WithInit(Service::FirstFragment("fir")));
        return kBroken;
      },
      [](const v1::ResumeRequest& resume, grpc::ServerContext*, Service::Stream* stream) {
        EXPECT_FALSE(resume.has_last_sequence()) << "a fragment is no chunk";
        stream->Write(Service::Started("token"));
        stream->Write(WithInit(Service::Chunk(0, "first")));
        return grpc::Status::OK;
      });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_THAT(WriteToTheEnd(call.get()), ElementsAre("[init]fir", "st"));
  EXPECT_TRUE(call->Finish().ok()) << call->Finish();
}

TEST(FirstFragmentTest, ASessionThatIsBegunAnewDoesNotShowItsFirstFragmentTwice) {
  for (const bool chunk_came : {false, true}) {
    int starts = 0;
    Service service(
        [&](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
          stream->Write(Service::Started("token"));
          stream->Write(Service::FirstFragment("fir"));
          if (++starts == 1 && !chunk_came) return kBroken;
          stream->Write(Service::Chunk(0, "first"));
          if (starts == 1) return kBroken;
          stream->Write(Service::Chunk(1, "second"));
          return grpc::Status::OK;
        },
        [](const v1::ResumeRequest&, grpc::ServerContext*, Service::Stream*) { return NoSuchSession(); });
    v1::SessionConfig config = Prompt();
    config.set_snapshot_interval_chunks(4);
    const auto client = ConnectTo(service);
    const auto call = client->StreamVideo(config);
    EXPECT_THAT(WriteToTheEnd(call.get()), ElementsAre("fir", "st", "second"));
    EXPECT_TRUE(call->Finish().ok()) << call->Finish();
  }
}

TEST(FirstFragmentTest, AChunkThatIsNotWhatItsFirstFragmentSaidIsDataLoss) {
  v1::StreamVideoResponse damaged = Service::FirstFragment("fir");
  damaged.mutable_first_fragment()->set_payload_crc32c(1);
  struct Pair {
    v1::StreamVideoResponse fragment, chunk;
  };
  const Pair pairs[] = {
      {Service::FirstFragment("fur"), Service::Chunk(0, "first")},
      {Service::FirstFragment("first and more"), Service::Chunk(0, "first")},
      {WithInit(Service::FirstFragment("fir")), Service::Chunk(0, "first")},
      {damaged, Service::Chunk(0, "first")},
  };
  for (const Pair& pair : pairs) {
    Service service([&](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
      stream->Write(Service::Started("token"));
      stream->Write(pair.fragment);
      stream->Write(pair.chunk);
      return grpc::Status::OK;
    });
    const auto client = ConnectTo(service);
    const auto call = client->StreamVideo(Prompt());
    while (const auto response = call->Next()) EXPECT_FALSE(response->has_chunk());
    EXPECT_TRUE(absl::IsDataLoss(call->Finish())) << call->Finish();
    EXPECT_THAT(std::string(call->Finish().message()), HasSubstr("first fragment"));
  }
}

}  // namespace
}  // namespace videodiffcr
