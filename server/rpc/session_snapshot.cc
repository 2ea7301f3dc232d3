#include "server/rpc/session_snapshot.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/proto_duration.h"
#include "proto/status_details.h"
#include "server/rpc/error_details.h"
#include "server/rpc/keyed_hash.h"
#include "server/rpc/message_parsing.h"

namespace videodiffcr {
namespace {

constexpr char kMalformed[] = "SNAPSHOT_MALFORMED";
constexpr char kSealLabel[] = "videodiffcr snapshot\n";
constexpr size_t kMaxUpdateIds = 256;
constexpr absl::Duration kLongestWay = absl::Minutes(1);
constexpr absl::Duration kLongestDue = absl::Hours(1);
// Far beyond what a session takes in its life.
constexpr int64_t kMaxControls = int64_t{1} << 40;

static_assert(std::endian::native == std::endian::little, "latents go over the wire in little endian");

absl::Status CheckField(absl::string_view field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return FieldError(error_reason::kOutOfRange, absl::StrCat("resume.snapshot.", field), absl::StrCat(value),
                    absl::StrCat("must be from ", least, " to ", most));
}

// Each scene begins with a chunk of other length, and there is one scene at least and a chunk of each at most.
absl::Status CheckFrames(const v1::SnapshotState& state, const ModelInfo& model) {
  const int64_t chunks = std::max<int64_t>(state.chunks(), 0);
  const int64_t of_first = std::min<int64_t>(chunks, 1) * model.first_chunk_frames;
  const int64_t one_scene = of_first + std::max<int64_t>(chunks - 1, 0) * model.chunk_frames;
  const int64_t all_scenes = chunks * model.first_chunk_frames;
  if (absl::Status status =
          CheckField("frames", state.frames(), std::min(one_scene, all_scenes), std::max(one_scene, all_scenes));
      !status.ok()) {
    return status;
  }
  const int64_t by_scene = model.chunk_frames - model.first_chunk_frames;
  if (by_scene == 0 || (one_scene - state.frames()) % by_scene == 0) return absl::OkStatus();
  return FieldError(error_reason::kOutOfRange, "resume.snapshot.frames", absl::StrCat(state.frames()),
                    absl::StrCat("must be those of ", chunks, " chunks"));
}

// Exponents of all ones are infinities and NaN.
bool AllFinite(const HalfLatents& latents) {
  return std::all_of(latents.begin(), latents.end(), [](uint16_t half) { return (half & 0x7c00) != 0x7c00; });
}

absl::StatusOr<std::shared_ptr<const HalfLatents>> ReadLatents(const v1::SnapshotChunk& chunk, const ModelInfo& model) {
  const int64_t bytes = model.latents_per_chunk * static_cast<int64_t>(sizeof(uint16_t));
  if (absl::Status status = CheckField("scene.latents", static_cast<int64_t>(chunk.latents().size()), bytes, bytes);
      !status.ok()) {
    return status;
  }
  auto latents = std::make_shared<HalfLatents>(static_cast<size_t>(model.latents_per_chunk));
  std::memcpy(latents->data(), chunk.latents().data(), chunk.latents().size());
  if (!AllFinite(*latents)) {
    return FieldError(error_reason::kOutOfRange, "resume.snapshot.scene.latents",
                      absl::StrCat("chunk ", chunk.sequence()), "must be finite");
  }
  return latents;
}

absl::StatusOr<std::vector<std::shared_ptr<const std::string>>> ReadPrompts(const v1::SnapshotState& state,
                                                                            const VideoModel& model,
                                                                            const RpcLimits& limits) {
  if (absl::Status status = CheckField("prompts", state.prompts_size(), 0, model.info().window_chunks); !status.ok()) {
    return status;
  }
  std::vector<std::shared_ptr<const std::string>> prompts;
  for (const std::string& prompt : state.prompts()) {
    // As an update's, since that is what it has been.
    v1::SessionUpdate update;
    update.set_prompt(prompt);
    const absl::StatusOr<CheckedChange> checked = ConvertUpdate(update, model, limits);
    if (!checked.ok()) {
      return FieldError(ErrorReason(checked.status()), "resume.snapshot.prompts", prompt,
                        "must be prompts that the server takes");
    }
    prompts.push_back(std::make_shared<const std::string>(prompt));
  }
  return prompts;
}

// `target`: the budget that the session goes on with.
absl::Status ReadScene(const v1::SnapshotState& state, const VideoModel& model, const RpcLimits& limits,
                       RetentionTenths target, Continuation* before) {
  const absl::StatusOr<std::vector<std::shared_ptr<const std::string>>> prompts = ReadPrompts(state, model, limits);
  if (!prompts.ok()) return prompts.status();
  if (absl::Status status = CheckField("scene", state.scene_size(), 0, model.info().window_chunks); !status.ok()) {
    return status;
  }
  int64_t least = 0;
  for (int i = 0; i < state.scene_size(); ++i) {
    const v1::SnapshotChunk& chunk = state.scene(i);
    if (i + 1 == state.scene_size()) least = state.chunks() - 1;
    for (const absl::Status& status :
         {CheckField("scene.sequence", chunk.sequence(), least, state.chunks() - (state.scene_size() - i)),
          CheckField("scene.prompt", chunk.prompt(), 0, state.prompts_size() - 1)}) {
      if (!status.ok()) return status;
    }
    least = chunk.sequence() + 1;
    absl::StatusOr<std::shared_ptr<const HalfLatents>> latents = ReadLatents(chunk, model.info());
    if (!latents.ok()) return latents.status();
    const absl::StatusOr<RetentionTenths> budget =
        chunk.retention() == 0 ? target
                               : ConvertBudget("resume.snapshot.scene.retention", chunk.retention(), model.info());
    if (!budget.ok()) return budget.status();
    before->scene.push_back(
        {chunk.sequence(), (*prompts)[static_cast<size_t>(chunk.prompt())], *std::move(latents), *budget});
  }
  return absl::OkStatus();
}

absl::Status ReadDue(const v1::SnapshotState& state, absl::Time wall_now, Continuation* before) {
  if (!state.has_due()) return absl::OkStatus();
  if (absl::Status status = CheckField("due.seconds", state.due().seconds(), -absl::ToInt64Seconds(kLongestDue),
                                       absl::ToInt64Seconds(kLongestDue));
      !status.ok()) {
    return status;
  }
  const absl::Time taken_at =
      absl::FromUnixSeconds(std::clamp<int64_t>(state.taken_at().seconds(), 0, int64_t{1} << 40)) +
      absl::Nanoseconds(state.taken_at().nanos());
  const absl::Duration due = absl::Seconds(state.due().seconds()) + absl::Nanoseconds(state.due().nanos());
  // Clocks of two machines differ, and a hostile one may say anything.
  const absl::Duration passed = std::clamp(wall_now - taken_at, absl::ZeroDuration(), kLongestWay);
  before->due = state.paused() ? due : due - passed;
  return absl::OkStatus();
}

void FillConfig(const SessionFacts& facts, v1::SessionConfig* config) {
  *config = facts.config;
  config->clear_request_id();
  config->set_seed(facts.seed);
  config->set_prompt(facts.outstanding.prompt);
  const double target = facts.outstanding.target / 10.0;
  config->mutable_retention()->set_target(target);
  if (config->retention().has_floor()) {
    config->mutable_retention()->set_floor(std::min(config->retention().floor(), target));
  }
  // Of several grants there may be more left than one message may hold, and more than any video has use for.
  if (config->has_initial_chunk_credits()) {
    config->set_initial_chunk_credits(std::clamp<int64_t>(facts.outstanding.chunk_credits, 0, kMaxChunkCredits));
  }
  if (config->has_initial_byte_credits()) {
    config->set_initial_byte_credits(std::clamp<int64_t>(facts.outstanding.byte_credits, 0, kMaxByteCredits));
  }
  // No length would be no end.
  if (facts.outstanding.finishing) {
    config->set_length_chunks(static_cast<int32_t>(std::max<int64_t>(1, facts.outstanding.chunks_started)));
  }
}

}  // namespace

std::string SnapshotSeal::SealOf(const std::string& state) const {
  return KeyedHash(key_, absl::StrCat(kSealLabel, state));
}

v1::SessionSnapshot SnapshotSeal::Close(const v1::SnapshotState& state) const {
  v1::SessionSnapshot snapshot;
  state.SerializeToString(snapshot.mutable_state());
  if (!key_.empty()) snapshot.set_seal(SealOf(snapshot.state()));
  snapshot.set_next_sequence(state.chunks());
  return snapshot;
}

absl::StatusOr<v1::SnapshotState> SnapshotSeal::Open(const v1::SessionSnapshot& snapshot) const {
  if (!key_.empty() && !EqualInConstantTime(snapshot.seal(), SealOf(snapshot.state()))) {
    return WithErrorInfo(absl::UnauthenticatedError("resume.snapshot.seal: no server with this one's key has made it"),
                         "SNAPSHOT_NOT_SEALED", {{"field", "resume.snapshot.seal"}});
  }
  v1::SnapshotState state;
  absl::Status parsed = ParseMessage(snapshot.state(), &state);
  // Nothing at all is a message, too.
  if (parsed.ok() && snapshot.state().empty()) parsed = absl::InvalidArgumentError("it is empty");
  if (!parsed.ok()) {
    return FieldError(kMalformed, "resume.snapshot.state", absl::StrCat(snapshot.state().size(), " bytes"),
                      absl::StrCat("must be a snapshot as a server has sent it: ", parsed.message()));
  }
  if (state.model_fingerprint() != model_fingerprint_) {
    const std::string fingerprint = Printable(state.model_fingerprint(), 80);
    return WithErrorInfo(
        absl::FailedPreconditionError(absl::StrCat("resume.snapshot: is of a model with fingerprint ", fingerprint,
                                                   "; this server has ", model_fingerprint_)),
        "SNAPSHOT_OF_ANOTHER_MODEL", {{"field", "resume.snapshot"}, {"value", fingerprint}});
  }
  return state;
}

v1::SnapshotState MakeSnapshotState(const SessionFacts& facts, const std::string& model_fingerprint) {
  v1::SnapshotState state;
  state.set_model_fingerprint(model_fingerprint);
  FillConfig(facts, state.mutable_config());
  state.set_chunks(facts.history.chunks());
  state.set_frames(facts.history.frames());
  const std::vector<EarlierChunk> none;
  for (const EarlierChunk& chunk : facts.outstanding.scene_cut ? none : facts.history.scene()) {
    if (state.prompts().empty() || *state.prompts().rbegin() != *chunk.prompt) state.add_prompts(*chunk.prompt);
    v1::SnapshotChunk* const kept = state.add_scene();
    kept->set_sequence(chunk.sequence);
    kept->set_prompt(state.prompts_size() - 1);
    kept->set_latents(chunk.latents->data(), chunk.latents->size() * sizeof(uint16_t));
    kept->set_retention(chunk.budget / 10.0);
  }
  for (const int64_t id : facts.outstanding.update_ids) state.add_update_ids(id);
  state.set_paused(facts.outstanding.paused);
  if (facts.outstanding.due.has_value()) {
    // A session that cannot keep up may be late by hours, one that runs ahead early by hours: neither is to be refused.
    *state.mutable_due() = ToProtoDuration(std::clamp(*facts.outstanding.due, -kLongestDue, kLongestDue));
  }
  state.mutable_taken_at()->set_seconds(absl::ToUnixSeconds(facts.taken_at));
  state.mutable_taken_at()->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(facts.taken_at - absl::FromUnixSeconds(state.taken_at().seconds()))));
  state.set_controls_received(facts.controls_received);
  return state;
}

absl::StatusOr<SessionPlan> PlanFromSnapshot(const v1::SnapshotState& state, bool one_clip, const VideoModel& model,
                                             const RpcLimits& limits, absl::Time wall_now) {
  absl::StatusOr<SessionPlan> plan = ConvertConfig(state.config(), one_clip, model, limits);
  if (!plan.ok()) return plan.status();
  for (const absl::Status& status :
       {CheckField("chunks", state.chunks(), 0, plan->request.length_chunks), CheckFrames(state, model.info()),
        CheckField("controls_received", state.controls_received(), 0, kMaxControls),
        CheckField("update_ids", state.update_ids_size(), 0, kMaxUpdateIds)}) {
    if (!status.ok()) return status;
  }
  auto before = std::make_shared<Continuation>();
  before->chunks = state.chunks();
  before->frames = state.frames();
  before->paused = state.paused();
  before->update_ids.assign(state.update_ids().begin(), state.update_ids().end());
  if (absl::Status status = ReadScene(state, model, limits, plan->request.target, before.get()); !status.ok())
    return status;
  if (absl::Status status = ReadDue(state, wall_now, before.get()); !status.ok()) return status;
  plan->request.continuation = std::move(before);
  plan->encoder.first_chunk = state.chunks();
  plan->encoder.first_frame = state.frames();
  plan->controls_received = state.controls_received();
  return plan;
}

}  // namespace videodiffcr
