#include "server/rpc/session_start.h"

#include <random>

#include "absl/strings/str_cat.h"
#include "server/media/encoder.h"
#include "server/rpc/session_token.h"

namespace videodiffcr {

std::string NewSessionName() {
  std::random_device random;
  return absl::StrCat("session-", absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8));
}

std::string RequestIdOf(const SessionPlan& plan, const Caller& caller) {
  return plan.request_id.empty() ? "" : absl::StrCat(TenantName(caller), "\n", plan.request_id);
}

StartedEvent DescribeStart(const CallEnvironment& environment, const SessionPlan& plan, const std::string& session_name,
                           const Caller& caller) {
  const ModelInfo& model = environment.model->info();
  StartedEvent started;
  started.session_name = session_name;
  started.resume_token = environment.tokens->Make(TokenKind::kControl, session_name, TenantName(caller));
  started.watch_token = environment.tokens->Make(TokenKind::kWatch, session_name, TenantName(caller));
  started.seed = plan.request.seed;
  started.width = plan.encoder.width;
  started.height = plan.encoder.height;
  started.frames_per_second = plan.encoder.frames_per_second;
  started.first_chunk_frames = model.first_chunk_frames;
  started.chunk_frames = model.chunk_frames;
  started.output = plan.encoder.output;
  started.codec_string = CodecStringOf(plan.encoder);
  started.model = model.name;
  started.length_chunks = plan.announced_length_chunks;
  started.target = plan.request.target;
  return started;
}

}  // namespace videodiffcr
