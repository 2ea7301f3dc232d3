#include "gateway/live/live_request.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/error_response.h"
#include "gateway/request_fields.h"
#include "proto/config_ranges.h"
#include "proto/proto_duration.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMaxChunks = 1'000'000;

PlannedChange ReadChange(RequestFields* fields) {
  PlannedChange change;
  std::string prompt;
  fields->Read("prompt", &prompt);
  if (fields->Has("prompt")) change.prompt = std::move(prompt);
  double budget = 0;
  fields->Read("budget", 0, 1, &budget);
  if (fields->Has("budget")) change.retention_target = budget;
  return change;
}

void ReadChanges(RequestFields* fields, int64_t length_chunks, std::map<int64_t, PlannedChange>* changes,
                 absl::Status* status) {
  const nlohmann::json list = fields->Take("changes");
  if (list.is_null()) return;
  if (!list.is_array() || list.size() > kMaxChanges) {
    return fields->Fail("changes", absl::StrCat("must be a list of ", kMaxChanges, " changes at most"));
  }
  const int64_t last = length_chunks > 0 ? length_chunks - 1 : kMaxChunks;
  for (size_t i = 0; i < list.size() && status->ok(); ++i) {
    RequestFields entry(list[i], absl::StrCat("changes[", i, "]"));
    int64_t chunk = 0;
    entry.Read("chunk", 1, last, &chunk);
    PlannedChange change = ReadChange(&entry);
    entry.Read("scene_cut", &change.scene_cut);
    if (chunk == 0) entry.Fail("chunk", "must name the first chunk that shows the change, 1 or later");
    if (!change.prompt.has_value() && !change.retention_target.has_value() && !change.scene_cut) {
      entry.Fail("", "must hold a prompt, a budget or scene_cut");
    }
    if (!changes->emplace(chunk, std::move(change)).second)
      entry.Fail("chunk", "names a chunk that has a change already");
    *status = entry.Finish();
  }
}

}  // namespace

absl::StatusOr<LiveRequest> ParseLiveRequest(const std::string& body) {
  absl::StatusOr<RequestFields> fields = RequestFields::Parse(body);
  if (!fields.ok()) return fields.status();
  LiveRequest request;
  fields->Read("prompt", &request.prompt);
  fields->ReadSeed("seed", &request.seed);
  fields->Read("budget", 0, 1, &request.budget);
  double floor = 0;
  fields->Read("floor", 0, 1, &floor);
  if (fields->Has("floor")) request.floor = floor;
  fields->Read("length_chunks", 0, kMaxChunks, &request.length_chunks);
  fields->Read("start_buffer_seconds", 0, kMaxStartBufferSeconds, &request.start_buffer_seconds);
  fields->Read("run_ahead_chunks", 1, kMaxRunAheadChunks, &request.run_ahead_chunks);
  absl::Status changes;
  ReadChanges(&*fields, request.length_chunks, &request.changes, &changes);
  for (const absl::Status& status : {changes, fields->Finish()}) {
    if (!status.ok()) return status;
  }
  return request;
}

void RecordBudget(int64_t chunk, double before, double used, std::map<int64_t, PlannedChange>* applied) {
  if (used != before) {
    (*applied)[chunk].retention_target = used;
    return;
  }
  const auto asked = applied->find(chunk);
  if (asked == applied->end()) return;
  asked->second.retention_target.reset();
  if (!asked->second.prompt.has_value() && !asked->second.scene_cut) applied->erase(asked);
}

nlohmann::json ReplayJson(const LiveRequest& request, uint64_t seed, const std::map<int64_t, PlannedChange>& applied,
                          int64_t made) {
  nlohmann::json replay = {{"prompt", request.prompt},
                           {"seed", absl::StrCat(seed)},
                           {"budget", request.budget},
                           {"length_chunks", made > 0 ? made : request.length_chunks},
                           {"start_buffer_seconds", request.start_buffer_seconds},
                           {"run_ahead_chunks", request.run_ahead_chunks},
                           {"changes", nlohmann::json::array()}};
  for (const auto& [chunk, change] : applied) {
    if (made > 0 && chunk >= made) break;  // it ended before that
    nlohmann::json later = {{"chunk", chunk}};
    nlohmann::json& entry = chunk == 0 ? replay : later;
    if (change.prompt.has_value()) entry["prompt"] = *change.prompt;
    if (change.retention_target.has_value()) entry["budget"] = *change.retention_target;
    if (chunk == 0) continue;  // where every session cuts
    if (change.scene_cut) later["scene_cut"] = true;
    replay["changes"].push_back(std::move(later));
  }
  return replay;
}

v1::SessionConfig ToSessionConfig(const LiveRequest& request) {
  v1::SessionConfig config;
  config.set_prompt(request.prompt);
  config.set_seed(request.seed);
  config.set_length_chunks(static_cast<int32_t>(request.length_chunks));
  config.mutable_retention()->set_target(request.budget);
  if (request.floor.has_value()) config.mutable_retention()->set_floor(*request.floor);
  config.mutable_output()->set_codec(v1::CODEC_H264);
  config.mutable_output()->set_container(v1::CONTAINER_FRAGMENTED_MP4);
  *config.mutable_playout()->mutable_start_buffer() = ToProtoDuration(absl::Seconds(request.start_buffer_seconds));
  config.set_run_ahead_limit_chunks(static_cast<int32_t>(request.run_ahead_chunks));
  const auto credits = ChangeSchedule(request.changes, request.length_chunks).initial_chunk_credits();
  if (credits.has_value()) config.set_initial_chunk_credits(*credits);
  return config;
}

absl::StatusOr<LiveControl> ParseLiveControl(const std::string& name, const std::string& body) {
  absl::StatusOr<RequestFields> fields = RequestFields::Parse(body);
  if (!fields.ok()) return fields.status();
  LiveControl control;
  if (name == "prompt" || name == "budget") {
    control.change = ReadChange(&*fields);
    if (!fields->Has(name)) fields->Fail(name, "must be set");
  } else if (name == "scene-cut") {
    control.change = ReadChange(&*fields);
    control.change.scene_cut = true;
  } else if (name == "pause") {
    control.kind = LiveControl::Kind::kPause;
  } else if (name == "unpause") {
    control.kind = LiveControl::Kind::kUnpause;
  } else if (name == "finish") {
    control.kind = LiveControl::Kind::kFinish;
  } else {
    return GatewayError(absl::StatusCode::kNotFound, "NO_SUCH_CONTROL",
                        absl::StrCat("a live session has the controls prompt, budget, pause, unpause, scene-cut and "
                                     "finish, not '",
                                     name.substr(0, 100), "'"));
  }
  if (absl::Status status = fields->Finish(); !status.ok()) return status;
  return control;
}

}  // namespace videodiffcr
