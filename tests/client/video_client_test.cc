#include "client/video_client.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/call_status.h"
#include "gmock/gmock.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/client/scripted_video_service.h"

namespace videodiffcr {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Service = ScriptedVideoService;

constexpr absl::Duration kTimeout = absl::Seconds(20);

v1::SessionConfig Prompt(const std::string& prompt) {
  v1::SessionConfig config;
  config.set_prompt(prompt);
  return config;
}

// What a service answers whose client is to cancel the call.
grpc::Status WaitForCancellation(const grpc::ServerContext& context, Service::Stream& stream) {
  v1::StreamVideoRequest request;
  EXPECT_FALSE(stream.Read(&request)) << "nothing is sent, so this returns when the call is cancelled";
  EXPECT_TRUE(context.IsCancelled());
  return grpc::Status::CANCELLED;
}

TEST(VideoClientTest, DeliversTheEventsOfACallInOrderAndThenItsStatus) {
  Service service([](const v1::SessionConfig& config, grpc::ServerContext*, Service::Stream* stream) {
    EXPECT_EQ(config.prompt(), "a red circle");
    stream->Write(Service::Started());
    stream->Write(Service::Chunk(0, "first"));
    stream->Write(Service::Chunk(1, "second"));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt("a red circle"));
  EXPECT_EQ(call->Next()->started().session_id(), "session-1");
  EXPECT_EQ(call->Next()->chunk().payload(), "first");
  EXPECT_EQ(call->Next()->chunk().payload(), "second");
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_TRUE(call->Finish().ok());
}

// A few kilobytes on the wire could become more than there is memory.
TEST(VideoClientTest, CompressedAnswersAreRefusedUnread) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext* context, Service::Stream* stream) {
    context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    stream->Write(Service::Chunk(0, std::string(1 << 20, 'x')));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt("a red circle"));
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_EQ(call->Finish().code(), absl::StatusCode::kUnimplemented);
}

TEST(VideoClientTest, AGapInTheChunkNumbersIsDataLoss) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Chunk(0, "first"));
    stream->Write(Service::Chunk(2, "third"));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt("a red circle"));
  EXPECT_TRUE(call->Next().has_value());
  EXPECT_FALSE(call->Next().has_value());
  const absl::Status status = call->Finish();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("chunk 2 arrived where chunk 1 was due"));
}

TEST(VideoClientTest, AChunkWithAWrongChecksumIsDataLoss) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    v1::StreamVideoResponse response = Service::Chunk(0, "first");
    response.mutable_chunk()->set_payload("fi_st");
    stream->Write(response);
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt("a red circle"));
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_TRUE(absl::IsDataLoss(call->Finish()));
}

TEST(VideoClientTest, AnErrorKeepsTheServersReasonFieldAndAdvice) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream*) {
    google::rpc::Status details;
    google::rpc::ErrorInfo info;
    info.set_reason("PROMPT_TOO_LONG");
    details.add_details()->PackFrom(info);
    google::rpc::BadRequest bad_request;
    google::rpc::BadRequest::FieldViolation* violation = bad_request.add_field_violations();
    violation->set_field("config.prompt");
    violation->set_description("has 5000 bytes, at most 4096 are allowed");
    details.add_details()->PackFrom(bad_request);
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "bad prompt", details.SerializeAsString());
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt("a red circle"));
  EXPECT_FALSE(call->Next().has_value());
  const absl::Status status = call->Finish();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(ErrorInfoOf(status)->reason(), "PROMPT_TOO_LONG");
  EXPECT_EQ(DescribeStatus(status),
            "INVALID_ARGUMENT: bad prompt\n"
            "  field config.prompt: has 5000 bytes, at most 4096 are allowed\n"
            "  reason PROMPT_TOO_LONG");
}

TEST(VideoClientTest, AnErrorIsDescribedOnceWithItsFieldAndWhenToTryAgain) {
  google::rpc::Status details;
  google::rpc::BadRequest bad_request;
  bad_request.add_field_violations()->set_field("config.prompt");
  bad_request.mutable_field_violations(0)->set_description("must say what the video shows");
  details.add_details()->PackFrom(bad_request);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  details.add_details()->PackFrom(retry);
  const absl::Status status =
      ToAbslStatus(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "config.prompt: must say what the video shows",
                                details.SerializeAsString()));
  EXPECT_EQ(DescribeStatus(status),
            "RESOURCE_EXHAUSTED: config.prompt: must say what the video shows\n  try again in 2000 ms");
}

TEST(VideoClientTest, AChunkOfManyMegabytesArrives) {
  const std::string payload(9 << 20, 'x');
  Service service([&payload](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Chunk(0, payload));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt("a red circle"));
  const auto response = call->Next();
  ASSERT_TRUE(response.has_value()) << call->Finish();
  EXPECT_EQ(response->chunk().payload().size(), payload.size());
}

TEST(VideoClientTest, AfterDamageTheCallIsCancelledAndNothingMoreIsBelieved) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext* context, Service::Stream* stream) {
    stream->Write(Service::Chunk(1, "second"));
    stream->Write(Service::Chunk(0, "first"));
    return WaitForCancellation(*context, *stream);
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt("a red circle"));
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_TRUE(absl::IsDataLoss(call->Finish()));
  EXPECT_TRUE(absl::IsDataLoss(call->Finish())) << "asked again, it says the same";
}

TEST(VideoClientTest, CancelReachesTheServerAndEndsTheCall) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext* context, Service::Stream* stream) {
    stream->Write(Service::Started());
    return WaitForCancellation(*context, *stream);
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt("a red circle"));
  EXPECT_TRUE(call->Next()->has_started());
  call->Cancel();
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_TRUE(absl::IsCancelled(call->Finish()));
}

TEST(VideoClientTest, DroppingACallThatStillRunsCancelsIt) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext* context, Service::Stream* stream) {
    v1::StreamVideoRequest request;
    stream->Read(&request);
    EXPECT_TRUE(context->IsCancelled());
    return grpc::Status::CANCELLED;
  });
  const auto client = ConnectTo(service);
  client->StreamVideo(Prompt("a red circle")).reset();
}

TEST(VideoClientTest, SendsControlMessagesInTheOrderGiven) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    v1::StreamVideoRequest request;
    EXPECT_TRUE(stream->Read(&request) && request.has_update());
    EXPECT_TRUE(stream->Read(&request) && request.has_credit());
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt("a red circle"));
  v1::StreamVideoRequest update;
  update.mutable_update()->set_prompt("a blue square");
  call->Send(update);
  v1::StreamVideoRequest credit;
  credit.mutable_credit()->set_chunks(1);
  call->Send(credit);
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_TRUE(call->Finish().ok());
}

TEST(VideoClientTest, AnAddressWhereNobodyListensIsUnavailableWithAdvice) {
  // Port 1 needs root to listen on and belongs to a service that nobody runs.
  const auto client = VideoClient::Connect("127.0.0.1:1", absl::Milliseconds(200));
  ASSERT_TRUE(absl::IsUnavailable(client.status()));
  EXPECT_THAT(std::string(client.status().message()),
              AllOf(HasSubstr("start videodiffcr-server"), Not(HasSubstr("tls"))));
}

TEST(VideoClientTest, ANameThatNobodyHasIsSaidToBeThat) {
  const auto client = VideoClient::Connect("nobody.invalid:1", absl::Milliseconds(200));
  EXPECT_THAT(std::string(client.status().message()), AllOf(HasSubstr("nobody.invalid"), Not(HasSubstr("tls"))));
}

TEST(VideoClientTest, ConnectWaitsForAServerThatIsLoadingItsModelButNoLongerThanAsked) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream*) { return grpc::Status::OK; });
  service.LoadForCalls(3);
  EXPECT_TRUE(VideoClient::Connect(service.address(), kTimeout).ok());
  service.LoadForCalls(1'000'000);
  const auto client = VideoClient::Connect(service.address(), kTimeout, absl::Seconds(1));
  EXPECT_TRUE(absl::IsUnavailable(client.status())) << client.status();
  EXPECT_EQ(ErrorInfoOf(client.status())->reason(), "MODEL_LOADING");
}

TEST(VideoClientTest, InfoIsAskedOfTheNextServerWhenTheFirstLoadsItsModelAndItsReasonIsToldWhenAllDo) {
  const auto nothing = [](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream*) {
    return grpc::Status::OK;
  };
  Service loading(nothing), ready(nothing);
  const auto servers = ServerList::Make(absl::StrCat(loading.address(), ",", ready.address(), ",127.0.0.1:1"));
  ASSERT_TRUE(servers.ok()) << servers.status();
  VideoClient client(*servers, 0);
  loading.LoadForCalls(2);
  EXPECT_TRUE(client.GetServerInfo().ok());
  ready.LoadForCalls(1);
  EXPECT_EQ(ErrorInfoOf(client.GetServerInfo().status())->reason(), "MODEL_LOADING");
}

TEST(VideoClientTest, TheFirstToAnswerIsSoughtFromTheOneThatIsNamedAroundTheList) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream*) { return grpc::Status::OK; });
  const auto servers = ServerList::Make(absl::StrCat("127.0.0.1:1,", service.address(), ",", service.address()));
  EXPECT_EQ(servers->FirstToAnswer(0, kTimeout), 1u);
  EXPECT_EQ(servers->FirstToAnswer(2, kTimeout), 2u);
  EXPECT_EQ(VideoClient(*servers, 2).address(1), "127.0.0.1:1");
  EXPECT_EQ(ServerList::Make("127.0.0.1:1,127.0.0.1:1")->FirstToAnswer(0, absl::Milliseconds(50)), std::nullopt);
}

}  // namespace
}  // namespace videodiffcr
