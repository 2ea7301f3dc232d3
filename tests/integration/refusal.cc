#include "tests/integration/refusal.h"

#include <gtest/gtest.h>

namespace videodiffcr {

Refusal RefusalOf(const grpc::Status& status) {
  Refusal refusal{.code = status.error_code(), .message = status.error_message()};
  if (const auto info = DetailOf<google::rpc::ErrorInfo>(status); info.has_value()) {
    EXPECT_EQ(info->domain(), "videodiffcr");
    refusal.reason = info->reason();
    const auto& metadata = info->metadata();
    if (metadata.contains("field")) refusal.field = metadata.at("field");
    if (metadata.contains("value")) refusal.value = metadata.at("value");
  }
  if (const auto bad = DetailOf<google::rpc::BadRequest>(status); bad.has_value()) {
    refusal.violated_field = bad->field_violations(0).field();
  }
  return refusal;
}

}  // namespace videodiffcr
