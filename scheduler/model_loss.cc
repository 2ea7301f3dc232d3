#include "scheduler/model_loss.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr char kPayloadType[] = "videodiffcr/model_lost";

}  // namespace

absl::Status ModelLostError(const absl::Status& health) {
  absl::Status status = absl::UnavailableError(
      absl::StrCat("the server has lost its model and restarts; start the session elsewhere: ", health.message()));
  status.SetPayload(kPayloadType, absl::Cord());
  return status;
}

bool IsModelLost(const absl::Status& status) { return status.GetPayload(kPayloadType).has_value(); }

}  // namespace videodiffcr
