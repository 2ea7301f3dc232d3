#include "client/video_call.h"

#include <atomic>
#include <future>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/call_status.h"
#include "client/video_client.h"
#include "gmock/gmock.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/client/scripted_video_service.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using Service = ScriptedVideoService;

v1::StreamVideoResponse Numbered(v1::StreamVideoResponse response, int64_t number) {
  response.set_event_number(number);
  return response;
}

v1::StreamVideoResponse Warning(const std::string& reason) {
  v1::StreamVideoResponse response;
  response.mutable_warning()->set_reason(reason);
  return response;
}

// What a caller sees: payloads and reasons of warnings.
std::vector<std::string> ReadToTheEnd(VideoCall* call) {
  std::vector<std::string> seen;
  while (const auto response = call->Next()) {
    if (response->has_started()) seen.push_back("started");
    if (response->has_chunk()) seen.push_back(response->chunk().payload());
    if (response->has_warning()) seen.push_back(response->warning().reason());
  }
  return seen;
}

grpc::Status WithReason(grpc::StatusCode code, const std::string& reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  return grpc::Status(code, reason, details.SerializeAsString());
}

TEST(VideoCallTest, ACallThatBreaksOffIsResumedBehindTheLastChunkThatArrived) {
  Service service(
      [](const v1::SessionConfig& config, grpc::ServerContext*, Service::Stream* stream) {
        EXPECT_TRUE(config.resumable());
        stream->Write(Service::Started("token"));
        stream->Write(Service::Chunk(0, "first"));
        stream->Write(Service::Chunk(1, "second"));
        return kBroken;
      },
      [](const v1::ResumeRequest& resume, grpc::ServerContext*, Service::Stream* stream) {
        EXPECT_EQ(resume.resume_token(), "token");
        EXPECT_EQ(resume.last_sequence(), 1);
        stream->Write(Service::Started("token"));
        stream->Write(Service::Chunk(2, "third"));
        return grpc::Status::OK;
      });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_THAT(ReadToTheEnd(call.get()), ElementsAre("started", "first", "second", "third"));
  EXPECT_TRUE(call->Finish().ok()) << call->Finish();
  EXPECT_EQ(call->resumes(), 1);
}

std::string RouteOf(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find("videodiffcr-server");
  return found == context.client_metadata().end() ? "" : std::string(found->second.data(), found->second.size());
}

TEST(VideoCallTest, CallsThatGoOnWithASessionSayWhichServerHasIt) {
  std::vector<std::string> routes;
  Service service(
      [&routes](const v1::SessionConfig&, grpc::ServerContext* context, Service::Stream* stream) {
        routes.push_back(RouteOf(*context));
        stream->Write(Service::Started("MTA6MQ==.session-1.digest"));
        return kBroken;
      },
      [&routes](const v1::ResumeRequest&, grpc::ServerContext* context, Service::Stream* stream) {
        routes.push_back(RouteOf(*context));
        // Of a server that is reached as it is, which the next call goes to.
        stream->Write(Service::Started("session-1.digest"));
        return routes.size() == 2 ? kBroken : grpc::Status::OK;
      });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_THAT(ReadToTheEnd(call.get()), ElementsAre("started"));
  EXPECT_TRUE(call->Finish().ok()) << call->Finish();
  EXPECT_THAT(routes, ElementsAre("", "MTA6MQ==", ""));
}

TEST(VideoCallTest, WhatIsSentAgainAlthoughItHadArrivedIsNotDoubled) {
  Service service(
      [](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
        stream->Write(Service::Started("token"));
        stream->Write(Numbered(Service::Chunk(0, "first"), 1));
        stream->Write(Numbered(Warning("HEARD"), 2));
        return kBroken;
      },
      [](const v1::ResumeRequest&, grpc::ServerContext*, Service::Stream* stream) {
        stream->Write(Service::Started("token"));
        stream->Write(Numbered(Warning("HEARD"), 2));
        stream->Write(Numbered(Warning("NEW"), 3));
        stream->Write(Numbered(Service::Chunk(1, "second"), 4));
        return grpc::Status::OK;
      });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_THAT(ReadToTheEnd(call.get()), ElementsAre("started", "first", "HEARD", "NEW", "second"));
}

TEST(VideoCallTest, ControlsThatTheSessionHasNotGotAreSentAgainInOrder) {
  Service service(
      [](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
        v1::StreamVideoRequest request;
        EXPECT_TRUE(stream->Read(&request) && request.has_pause());
        stream->Write(Service::Started("token"));
        return kBroken;
      },
      [](const v1::ResumeRequest& resume, grpc::ServerContext*, Service::Stream* stream) {
        EXPECT_FALSE(resume.has_last_sequence());
        stream->Write(Service::Started("token", /*controls_received=*/1));
        v1::StreamVideoRequest request;
        EXPECT_TRUE(stream->Read(&request) && request.has_unpause());
        EXPECT_TRUE(stream->Read(&request) && request.credit().chunks() == 3);
        return grpc::Status::OK;
      });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  v1::StreamVideoRequest request;
  request.mutable_pause();
  call->Send(request);
  EXPECT_TRUE(call->Next()->has_started());
  request.mutable_unpause();
  call->Send(request);
  request.mutable_credit()->set_chunks(3);
  call->Send(request);
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_TRUE(call->Finish().ok()) << call->Finish();
}

TEST(VideoCallTest, ControlsThatComeWhileNoServerHasTheSessionReachTheOneThatGoesOnEachOnce) {
  VideoCall* sender = nullptr;
  std::vector<int> credits;
  const auto send = [&sender](int chunks) {
    v1::StreamVideoRequest request;
    request.mutable_credit()->set_chunks(chunks);
    sender->Send(request);
  };
  Service service(
      [](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
        stream->Write(Service::Started("token"));
        return kBroken;
      },
      [&](const v1::ResumeRequest&, grpc::ServerContext*, Service::Stream* stream) {
        send(2);  // the call is there, and has not been taken yet
        stream->Write(Service::Started("token"));
        v1::StreamVideoRequest request;
        while (stream->Read(&request) && request.has_credit()) credits.push_back(request.credit().chunks());
        return grpc::Status::OK;
      });
  ResumeOptions options;
  options.on_break = [&send](const absl::Status&) { send(1); };
  options.on_mended = [&] {
    send(3);
    v1::StreamVideoRequest last;
    last.mutable_finish();
    sender->Send(last);
  };
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt(), options);
  sender = call.get();
  EXPECT_THAT(ReadToTheEnd(call.get()), ElementsAre("started"));
  EXPECT_TRUE(call->Finish().ok()) << call->Finish();
  EXPECT_THAT(credits, ElementsAre(1, 2, 3));
}

TEST(VideoCallTest, ABreakAndItsEndAreHeardInTurnAndTheServerThatGoesOnIsNamed) {
  v1::StreamVideoResponse with_snapshot;
  with_snapshot.mutable_snapshot()->set_state(v1::SnapshotState().SerializeAsString());
  const auto begin = [&](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started("token"));
    stream->Write(with_snapshot);
    return WithReason(grpc::StatusCode::ABORTED, "DRAINING");
  };
  const auto go_on = [](const v1::ResumeRequest& resume, grpc::ServerContext*, Service::Stream* stream) {
    EXPECT_TRUE(resume.has_snapshot());
    stream->Write(Service::Started("another"));
    return grpc::Status::OK;
  };
  Service one(begin, go_on), other(begin, go_on);  // alike: the client begins at whichever answers first
  std::vector<std::string> heard;
  ResumeOptions options;
  options.on_break = [&](const absl::Status& status) { heard.push_back(ErrorInfoOf(status)->reason()); };
  options.on_mended = [&] { heard.push_back("mended"); };
  const auto client = *VideoClient::Connect(absl::StrCat(one.address(), ",", other.address()), absl::Seconds(20));
  const auto call = client->StreamVideo(Prompt(), options);
  EXPECT_THAT(ReadToTheEnd(call.get()), ElementsAre("started"));
  EXPECT_TRUE(call->Finish().ok()) << call->Finish();
  EXPECT_THAT(heard, ElementsAre("DRAINING", "mended"));
  EXPECT_EQ(call->server(), 1u) << "not where it began";
  EXPECT_EQ(call->hand_overs(), 1);
}

TEST(VideoCallTest, AStartWhoseAnswerWasLostIsMadeAgainUnderTheSameId) {
  std::vector<std::string> ids;
  Service service([&ids](const v1::SessionConfig& config, grpc::ServerContext*, Service::Stream* stream) {
    ids.push_back(config.request_id());
    if (ids.size() == 1) return kBroken;
    stream->Write(Service::Started("token"));
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_THAT(ReadToTheEnd(call.get()), ElementsAre("started"));
  EXPECT_TRUE(call->Finish().ok()) << call->Finish();
  ASSERT_EQ(ids.size(), 2u);
  EXPECT_FALSE(ids[0].empty());
  EXPECT_EQ(ids[0], ids[1]);
}

TEST(VideoCallTest, AnEndThatTheServerGivesAReasonForIsAnEnd) {
  int calls = 0;
  Service service([&calls](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    ++calls;
    stream->Write(Service::Started("token"));
    return WithReason(grpc::StatusCode::UNAVAILABLE, "MODEL_LOST");
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_THAT(ReadToTheEnd(call.get()), ElementsAre("started"));
  EXPECT_EQ(ErrorInfoOf(call->Finish())->reason(), "MODEL_LOST");
  EXPECT_EQ(calls, 1);
}

TEST(VideoCallTest, AServerThatHasForgottenTheSessionBeginsAnewOnlyWhereSnapshotsWereToCome) {
  for (const int interval : {0, 4}) {
    int starts = 0;
    Service service(
        [&starts](const v1::SessionConfig& config, grpc::ServerContext*, Service::Stream* stream) {
          EXPECT_EQ(config.seed(), ++starts == 1 ? 0 : 7);
          stream->Write(Service::Started("token"));
          stream->Write(Service::Chunk(0, "first"));
          if (starts == 1) return kBroken;
          stream->Write(Service::Chunk(1, "second"));
          return grpc::Status::OK;
        },
        [](const v1::ResumeRequest&, grpc::ServerContext*, Service::Stream*) {
          return WithReason(grpc::StatusCode::UNAUTHENTICATED, "RESUME_TOKEN_INVALID");
        });
    v1::SessionConfig config = Prompt();
    config.set_snapshot_interval_chunks(interval);
    const auto client = ConnectTo(service);
    const auto call = client->StreamVideo(config);
    const std::vector<std::string> seen = ReadToTheEnd(call.get());
    EXPECT_EQ(seen.size(), interval == 0 ? 2u : 3u);
    EXPECT_EQ(call->Finish().ok(), interval > 0) << call->Finish();
  }
}

TEST(VideoCallTest, ASessionOfAServerThatKnowsNoResumeEndsWithItsCallAndIsSentNoAcks) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started());
    for (int i = 0; i < 8; ++i) stream->Write(Service::Chunk(i, "chunk"));
    return kBroken;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_EQ(ReadToTheEnd(call.get()).size(), 9u);
  EXPECT_TRUE(absl::IsUnavailable(call->Finish())) << call->Finish();
  EXPECT_EQ(call->resumes(), 0);
}

TEST(VideoCallTest, AFewChunksAreAcknowledgedTogether) {
  int64_t acknowledged = -1;
  Service service([&](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started("token"));
    for (int i = 0; i < 4; ++i) stream->Write(Service::Chunk(i, "chunk"));
    v1::StreamVideoRequest request;
    if (stream->Read(&request) && request.has_ack()) acknowledged = request.ack().sequence();
    return grpc::Status::OK;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_EQ(ReadToTheEnd(call.get()).size(), 5u);
  EXPECT_TRUE(call->Finish().ok());
  EXPECT_EQ(acknowledged, 3);
}

TEST(VideoCallTest, PatienceEnds) {
  Service service(
      [](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
        stream->Write(Service::Started("token"));
        return kBroken;
      },
      [](const v1::ResumeRequest&, grpc::ServerContext*, Service::Stream*) { return kBroken; });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt(), ResumeOptions{absl::Milliseconds(100)});
  EXPECT_THAT(ReadToTheEnd(call.get()), ElementsAre("started"));
  EXPECT_TRUE(absl::IsUnavailable(call->Finish())) << call->Finish();
  EXPECT_GE(call->resumes(), 1);
}

TEST(VideoCallTest, CancelWaitsForNobodyAndFinishUntilTheServerKnows) {
  std::promise<void> cancelled;
  std::atomic<bool> asked = false;
  Service service([](const v1::SessionConfig&, grpc::ServerContext* context, Service::Stream* stream) {
    stream->Write(Service::Started("token"));
    v1::StreamVideoRequest request;
    while (!context->IsCancelled() && stream->Read(&request)) {
    }
    return grpc::Status::CANCELLED;
  });
  service.OnCancelSession([&] {
    cancelled.get_future().wait();
    asked = true;
  });
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt());
  EXPECT_TRUE(call->Next()->has_started());
  call->Cancel();
  cancelled.set_value();
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_TRUE(absl::IsCancelled(call->Finish())) << call->Finish();
  EXPECT_TRUE(asked);
}

TEST(VideoCallTest, CancelEndsTheWaitForAServerThatIsGone) {
  Service service([](const v1::SessionConfig&, grpc::ServerContext*, Service::Stream* stream) {
    stream->Write(Service::Started("token"));
    return kBroken;
  });  // which refuses resume
  const auto client = ConnectTo(service);
  const auto call = client->StreamVideo(Prompt(), ResumeOptions{absl::Hours(1)});
  EXPECT_TRUE(call->Next()->has_started());
  call->Cancel();
  EXPECT_FALSE(call->Next().has_value());
  EXPECT_TRUE(absl::IsCancelled(call->Finish())) << call->Finish();
}

}  // namespace
}  // namespace videodiffcr
