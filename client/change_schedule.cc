#include "client/change_schedule.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

// More chunks than any server allows in one session: no further stops.
constexpr int64_t kNoFurtherStop = 1'000'000;

}  // namespace

std::vector<v1::StreamVideoRequest> RequestsFor(const PlannedChange& change, int64_t update_id) {
  std::vector<v1::StreamVideoRequest> requests;
  if (change.scene_cut) {
    v1::SceneCutRequest* cut = requests.emplace_back().mutable_scene_cut();
    cut->set_update_id(update_id);
    if (change.prompt.has_value()) cut->set_prompt(*change.prompt);
    if (!change.retention_target.has_value()) return requests;
  }
  v1::SessionUpdate* update = requests.emplace_back().mutable_update();
  update->set_update_id(update_id);
  if (change.prompt.has_value() && !change.scene_cut) update->set_prompt(*change.prompt);
  if (change.retention_target.has_value()) update->set_retention_target(*change.retention_target);
  return requests;
}

ChangeSchedule::ChangeSchedule(std::map<int64_t, PlannedChange> changes, int64_t length_chunks)
    : changes_(std::move(changes)), length_chunks_(length_chunks) {}

std::optional<int64_t> ChangeSchedule::initial_chunk_credits() const {
  if (changes_.empty()) return std::nullopt;
  return changes_.begin()->first;
}

std::vector<v1::StreamVideoRequest> ChangeSchedule::AfterChunk(int64_t sequence) const {
  const auto change = changes_.find(sequence + 1);
  if (change == changes_.end()) return {};
  std::vector<v1::StreamVideoRequest> requests = RequestsFor(change->second, change->first);
  const auto following = std::next(change);
  int64_t stop = length_chunks_ > 0 ? length_chunks_ : kNoFurtherStop;
  if (following != changes_.end()) stop = following->first;
  requests.emplace_back().mutable_credit()->set_chunks(stop - change->first);
  return requests;
}

absl::Status ChangeSchedule::CheckApplied(const v1::UpdateApplied& applied) const {
  if (changes_.count(applied.update_id()) == 0) {
    return absl::InternalError(absl::StrCat("the server applied an update ", applied.update_id(), " that nobody sent"));
  }
  if (applied.first_chunk() != applied.update_id()) {
    return absl::InternalError(absl::StrCat("the change meant for chunk ", applied.update_id(),
                                            " took effect at chunk ", applied.first_chunk()));
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
