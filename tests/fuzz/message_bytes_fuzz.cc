// Any bytes as each message that a client may send: refused with a reason, or a message that reads back as it was,
// whose session or change lies within the limits that it was checked against.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "grpcpp/support/slice.h"
#include "server/rpc/error_details.h"
#include "server/rpc/message_parsing.h"
#include "server/rpc/request_conversion.h"
#include "server/rpc/session_controls.h"
#include "tests/fakes/fake_video_model.h"
#include "tests/fuzz/require.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMostBytes = 4096;

const FakeVideoModel& Model() {
  static const FakeVideoModel model;
  return model;
}

const RpcLimits& Limits() {
  static const RpcLimits limits;
  return limits;
}

// As docs/errors.md has it; a log line may say all of it.
void CheckRefusal(const absl::Status& status) {
  Require(absl::IsInvalidArgument(status), "a refusal with another code", status);
  Require(!ErrorReason(status).empty(), "a refusal without a reason", status);
  const absl::string_view words = status.message();
  Require(std::all_of(words.begin(), words.end(), [](char c) { return absl::ascii_isprint(c); }),
          "a refusal that cannot be printed", status);
}

void CheckConfig(const v1::SessionConfig& config, bool one_clip) {
  const absl::StatusOr<SessionPlan> plan = ConvertConfig(config, one_clip, Model(), Limits());
  if (!plan.ok()) return CheckRefusal(plan.status());
  const SessionRequest& request = plan->request;
  const auto known = [](RetentionTenths tenths) {
    const auto& budgets = Model().info().budgets;
    return std::any_of(budgets.begin(), budgets.end(),
                       [tenths](const auto& budget) { return budget.tenths == tenths; });
  };
  Require(request.length_chunks >= 1 && request.length_chunks <= Limits().max_length_chunks, "a length out of range");
  Require(known(request.target) && known(request.floor) && request.floor <= request.target, "a budget that is none");
  Require(!request.prompt.empty() && static_cast<int64_t>(request.prompt.size()) <= Limits().max_prompt_bytes,
          "a prompt out of range");
  Require(request.chunk_credits >= 0 && request.byte_credits >= 0, "credits below none");
  Require(request.run_ahead_limit_chunks >= 0, "run-ahead below none");
  Require(!request.playout_start_buffer.has_value() || *request.playout_start_buffer >= absl::ZeroDuration(),
          "a start buffer below none");
  Require(plan->encoder.Validate().ok(), "an encoder that cannot be made", plan->encoder.Validate());
}

void CheckChange(const absl::StatusOr<CheckedChange>& change) {
  if (!change.ok()) return CheckRefusal(change.status());
  Require(change->change.scene_cut || change->change.prompt.has_value() || change->change.target.has_value(),
          "a change that changes nothing");
}

void CheckControl(const v1::StreamVideoRequest& request) {
  if (request.has_update()) CheckChange(ConvertUpdate(request.update(), Model(), Limits()));
  if (request.has_scene_cut()) CheckChange(ConvertSceneCut(request.scene_cut(), Model(), Limits()));
  if (!request.has_credit()) return;
  const absl::StatusOr<CheckedCredits> credits = ConvertCredit(request.credit());
  if (!credits.ok()) return CheckRefusal(credits.status());
  Require(credits->chunks >= 0 && credits->bytes >= 0, "credits below none");
}

// True when the bytes, which arrive in two pieces, are such a message.
template <typename Message>
bool Parse(const std::string& bytes, Message* message) {
  grpc::Slice slices[] = {grpc::Slice(bytes.substr(0, bytes.size() / 3)), grpc::Slice(bytes.substr(bytes.size() / 3))};
  const absl::Status status = ParseMessage(grpc::ByteBuffer(slices, 2), kMostBytes, message);
  if (!status.ok()) {
    CheckRefusal(status);
    return false;
  }
  Require(static_cast<int64_t>(bytes.size()) <= kMostBytes, "a message over the limit");
  Message again;
  const std::string written = message->SerializeAsString();
  Require(ParseMessage(written, &again).ok() && again.SerializeAsString() == written,
          "a message that does not read back");
  return true;
}

}  // namespace
}  // namespace videodiffcr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace v1 = videodiffcr::v1;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  if (v1::StreamVideoRequest request; videodiffcr::Parse(bytes, &request)) {
    if (request.has_config()) videodiffcr::CheckConfig(request.config(), /*one_clip=*/false);
    videodiffcr::CheckControl(request);
  }
  if (v1::GenerateVideoRequest request; videodiffcr::Parse(bytes, &request)) {
    videodiffcr::CheckConfig(request.config(), /*one_clip=*/true);
  }
  if (v1::UpdateSessionRequest request; videodiffcr::Parse(bytes, &request)) {
    const absl::StatusOr<v1::StreamVideoRequest> control = videodiffcr::ToStreamControl(request);
    control.ok() ? videodiffcr::CheckControl(*control) : videodiffcr::CheckRefusal(control.status());
  }
  v1::WatchSessionRequest watch;
  videodiffcr::Parse(bytes, &watch);
  v1::CancelSessionRequest cancel;
  videodiffcr::Parse(bytes, &cancel);
  return 0;
}
