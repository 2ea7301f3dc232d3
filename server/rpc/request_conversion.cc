#include "server/rpc/request_conversion.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/config_ranges.h"
#include "proto/status_details.h"
#include "server/rpc/error_details.h"

namespace videodiffcr {
namespace {

constexpr int kMaxSnapshotInterval = 1000;
constexpr size_t kMaxRequestIdBytes = 128;

absl::Status CheckRange(absl::string_view field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return FieldError(error_reason::kOutOfRange, field, absl::StrCat(value),
                    absl::StrCat("must be from ", least, " to ", most));
}

// What the model says of a good prompt.
absl::StatusOr<PromptWarnings> CheckPromptField(absl::string_view field, const std::string& prompt,
                                                const VideoModel& model, const RpcLimits& limits) {
  const auto empty = [&] {
    return FieldError(error_reason::kPromptEmpty, field, prompt, "must say what the video shows");
  };
  if (absl::StripAsciiWhitespace(prompt).empty()) return empty();
  if (static_cast<int64_t>(prompt.size()) > limits.max_prompt_bytes) {
    return FieldError("PROMPT_TOO_LONG", field, prompt,
                      absl::StrCat("has ", prompt.size(), " bytes; at most ", limits.max_prompt_bytes, " are taken"));
  }
  absl::StatusOr<PromptCheck> check = model.CheckPrompt(prompt);
  if (absl::IsInvalidArgument(check.status())) {
    return FieldError("PROMPT_TOO_LONG", field, prompt, check.status().message());
  }
  if (!check.ok()) return check.status();
  if (check->blank) return empty();
  return PromptWarnings{std::move(check->unknown_words), check->cut_tokens};
}

absl::Status ConvertRetention(const v1::Retention& retention, const ModelInfo& model, SessionRequest* request) {
  if (retention.has_target()) {
    absl::StatusOr<RetentionTenths> target = ConvertBudget("config.retention.target", retention.target(), model);
    if (!target.ok()) return target.status();
    request->target = *target;
  }
  request->floor = request->target;
  request->floor_follows_target = !retention.has_floor();
  if (retention.has_floor()) {
    absl::StatusOr<RetentionTenths> floor = ConvertBudget("config.retention.floor", retention.floor(), model);
    if (!floor.ok()) return floor.status();
    if (*floor > request->target) {
      return FieldError(error_reason::kOutOfRange, "config.retention.floor", absl::StrCat(retention.floor()),
                        absl::StrCat("must not be above the target, ", request->target / 10.0));
    }
    request->floor = *floor;
  }
  return absl::OkStatus();
}

absl::Status ConvertSize(const v1::SessionConfig& config, const ModelInfo& model, EncoderConfig* encoder) {
  const auto check = [&model](absl::string_view field, int value, int wanted, absl::string_view unit) -> absl::Status {
    if (value == 0 || value == wanted) return absl::OkStatus();
    return FieldError(error_reason::kUnsupportedValue, field, absl::StrCat(value),
                      absl::StrCat("model ", model.name, " makes ", wanted, " ", unit, "; use that or 0"));
  };
  for (const absl::Status& status :
       {check("config.width", config.width(), model.width, "pixels"),
        check("config.height", config.height(), model.height, "pixels"),
        check("config.frames_per_second", config.frames_per_second(), model.frames_per_second, "frames per second")}) {
    if (!status.ok()) return status;
  }
  encoder->width = model.width;
  encoder->height = model.height;
  encoder->frames_per_second = model.frames_per_second;
  return absl::OkStatus();
}

absl::Status ConvertOutput(const v1::OutputFormat& output, const ModelInfo& model, EncoderConfig* encoder) {
  switch (output.codec()) {
    case v1::CODEC_UNSPECIFIED:
    case v1::CODEC_H264:
      encoder->output.codec = VideoCodec::kH264;
      break;
    case v1::CODEC_RAW_RGB24:
      encoder->output.codec = VideoCodec::kRawRgb24;
      break;
    case v1::CODEC_RAW_YUV420P:
      encoder->output.codec = VideoCodec::kRawYuv420p;
      break;
    default:
      return FieldError(error_reason::kUnsupportedValue, "config.output.codec",
                        absl::StrCat(static_cast<int>(output.codec())),
                        "is not a codec of this server; GetServerInfo lists them");
  }
  switch (output.container()) {
    case v1::CONTAINER_UNSPECIFIED:
      encoder->output.container =
          encoder->output.codec == VideoCodec::kH264 ? VideoContainer::kFragmentedMp4 : VideoContainer::kRaw;
      break;
    case v1::CONTAINER_FRAGMENTED_MP4:
      encoder->output.container = VideoContainer::kFragmentedMp4;
      break;
    case v1::CONTAINER_ANNEX_B:
      encoder->output.container = VideoContainer::kAnnexB;
      break;
    case v1::CONTAINER_RAW:
      encoder->output.container = VideoContainer::kRaw;
      break;
    default:
      return FieldError(error_reason::kUnsupportedValue, "config.output.container",
                        absl::StrCat(static_cast<int>(output.container())),
                        "is not a container of this server; GetServerInfo lists them");
  }
  if (std::find(std::begin(kSupportedOutputs), std::end(kSupportedOutputs), encoder->output) ==
      std::end(kSupportedOutputs)) {
    return FieldError(error_reason::kUnsupportedValue, "config.output.container",
                      v1::Container_Name(output.container()),
                      absl::StrCat("does not take ", std::string(CodecName(encoder->output.codec)),
                                   "; GetServerInfo lists what goes together"));
  }
  if (output.rate_factor() != 0) {
    if (absl::Status status =
            CheckRange("config.output.rate_factor", output.rate_factor(), kMinRateFactor, kMaxRateFactor);
        !status.ok()) {
      return status;
    }
    encoder->rate_factor = output.rate_factor();
  }
  const bool whole = output.first_fragment_frames() == model.first_chunk_frames;
  encoder->first_fragment_frames = whole ? 0 : output.first_fragment_frames();
  return CheckRange("config.output.first_fragment_frames", output.first_fragment_frames(), 0, model.first_chunk_frames);
}

absl::Status ConvertPlayout(const v1::SessionConfig& config, SessionRequest* request) {
  if (config.has_playout()) {
    const auto& buffer = config.playout().start_buffer();
    // Checked before the sum: durations of hostile size saturate, they do not wrap.
    const absl::Duration start_buffer = absl::Seconds(buffer.seconds()) + absl::Nanoseconds(buffer.nanos());
    if (buffer.nanos() < 0 || buffer.nanos() >= 1'000'000'000 || start_buffer < absl::ZeroDuration() ||
        start_buffer > absl::Seconds(kMaxStartBufferSeconds)) {
      return FieldError(error_reason::kOutOfRange, "config.playout.start_buffer",
                        absl::StrCat(buffer.seconds(), "s ", buffer.nanos(), "ns"),
                        absl::StrCat("must be from 0 s to ", kMaxStartBufferSeconds, " s"));
    }
    request->playout_start_buffer = start_buffer;
  }
  request->run_ahead_limit_chunks = config.run_ahead_limit_chunks();
  return CheckRange("config.run_ahead_limit_chunks", config.run_ahead_limit_chunks(), 0, kMaxRunAheadChunks);
}

absl::Status ConvertPriority(v1::Priority priority, SessionRequest* request) {
  switch (priority) {
    case v1::PRIORITY_UNSPECIFIED:
    case v1::PRIORITY_STANDARD:
      request->priority = PriorityClass::kStandard;
      return absl::OkStatus();
    case v1::PRIORITY_BATCH:
      request->priority = PriorityClass::kBatch;
      return absl::OkStatus();
    default:
      return FieldError(error_reason::kUnsupportedValue, "config.priority", absl::StrCat(static_cast<int>(priority)),
                        "must be PRIORITY_STANDARD or PRIORITY_BATCH");
  }
}

absl::Status CheckRequestId(const std::string& request_id) {
  const bool good =
      request_id.size() <= kMaxRequestIdBytes && std::all_of(request_id.begin(), request_id.end(), [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
      });
  if (good) return absl::OkStatus();
  return FieldError(error_reason::kOutOfRange, "config.request_id", request_id,
                    "must be at most 128 characters of [A-Za-z0-9._-]");
}

absl::Status ConvertCredits(const v1::SessionConfig& config, SessionRequest* request) {
  if (config.has_initial_chunk_credits()) {
    request->chunk_credits = config.initial_chunk_credits();
    if (absl::Status status = CheckRange("config.initial_chunk_credits", request->chunk_credits, 0, kMaxChunkCredits);
        !status.ok()) {
      return status;
    }
  }
  if (config.has_initial_byte_credits()) {
    request->byte_credits = config.initial_byte_credits();
    return CheckRange("config.initial_byte_credits", request->byte_credits, 0, kMaxByteCredits);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RetentionTenths> ConvertBudget(absl::string_view field, double value, const ModelInfo& model) {
  for (const RetentionBudget& budget : model.budgets) {
    // Tenths arrive as the nearest double, or as the nearest float by way of some clients.
    if (std::fabs(value - budget.tenths / 10.0) < 1e-6) return budget.tenths;
  }
  const std::string known = absl::StrJoin(model.budgets, ", ", [](std::string* out, const RetentionBudget& budget) {
    absl::StrAppend(out, budget.tenths / 10, ".", budget.tenths % 10);
  });
  return FieldError(error_reason::kUnsupportedValue, field, absl::StrCat(value),
                    absl::StrCat("must be a budget of the model's table: ", known));
}

absl::StatusOr<SessionPlan> ConvertConfig(const v1::SessionConfig& config, bool one_clip, const VideoModel& model,
                                          const RpcLimits& limits) {
  SessionPlan plan;
  absl::StatusOr<PromptWarnings> prompt = CheckPromptField("config.prompt", config.prompt(), model, limits);
  if (!prompt.ok()) return prompt.status();
  plan.warnings = *std::move(prompt);
  plan.request.prompt = config.prompt();
  plan.request.seed = config.seed();
  plan.request_id = config.request_id();
  plan.config = config;
  plan.resumable = config.resumable();
  plan.request.keep_latents = config.resumable();
  plan.snapshot_interval_chunks = config.snapshot_interval_chunks();
  plan.announced_length_chunks = config.length_chunks();
  plan.request.length_chunks = config.length_chunks() == 0 ? limits.max_length_chunks : config.length_chunks();
  for (const absl::Status& status : {
           ConvertSize(config, model.info(), &plan.encoder),
           CheckRange("config.length_chunks", config.length_chunks(), one_clip ? 1 : 0, limits.max_length_chunks),
           ConvertRetention(config.retention(), model.info(), &plan.request),
           ConvertOutput(config.output(), model.info(), &plan.encoder),
           ConvertPriority(config.priority(), &plan.request),
           ConvertPlayout(config, &plan.request),
           CheckRequestId(config.request_id()),
           CheckRange("config.snapshot_interval_chunks", config.snapshot_interval_chunks(), 0,
                      config.resumable() ? kMaxSnapshotInterval : 0),
           one_clip ? absl::OkStatus() : ConvertCredits(config, &plan.request),
       }) {
    if (!status.ok()) return status;
  }
  return plan;
}

absl::StatusOr<CheckedChange> ConvertUpdate(const v1::SessionUpdate& update, const VideoModel& model,
                                            const RpcLimits& limits) {
  if (!update.has_prompt() && !update.has_retention_target()) {
    return FieldError("UPDATE_EMPTY", "update", "", "must set prompt, retention_target or both");
  }
  CheckedChange checked;
  checked.change.update_id = update.update_id();
  if (update.has_prompt()) {
    absl::StatusOr<PromptWarnings> prompt = CheckPromptField("update.prompt", update.prompt(), model, limits);
    if (!prompt.ok()) return prompt.status();
    checked.warnings = *std::move(prompt);
    checked.change.prompt = update.prompt();
  }
  if (update.has_retention_target()) {
    absl::StatusOr<RetentionTenths> target =
        ConvertBudget("update.retention_target", update.retention_target(), model.info());
    if (!target.ok()) return target.status();
    checked.change.target = *target;
  }
  return checked;
}

absl::StatusOr<CheckedChange> ConvertSceneCut(const v1::SceneCutRequest& scene_cut, const VideoModel& model,
                                              const RpcLimits& limits) {
  CheckedChange checked;
  checked.change.scene_cut = true;
  checked.change.update_id = scene_cut.update_id();
  if (scene_cut.has_prompt()) {
    absl::StatusOr<PromptWarnings> prompt = CheckPromptField("scene_cut.prompt", scene_cut.prompt(), model, limits);
    if (!prompt.ok()) return prompt.status();
    checked.warnings = *std::move(prompt);
    checked.change.prompt = scene_cut.prompt();
  }
  return checked;
}

absl::StatusOr<CheckedCredits> ConvertCredit(const v1::CreditGrant& credit) {
  for (const absl::Status& status : {CheckRange("credit.chunks", credit.chunks(), 0, kMaxChunkCredits),
                                     CheckRange("credit.bytes", credit.bytes(), 0, kMaxByteCredits)}) {
    if (!status.ok()) return status;
  }
  return CheckedCredits{credit.chunks(), credit.bytes()};
}

}  // namespace videodiffcr
