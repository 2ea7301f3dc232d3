// Retention tables in a file of their own.
#ifndef VIDEODIFFCR_MODEL_CONFIG_RETENTION_TABLES_JSON_H_
#define VIDEODIFFCR_MODEL_CONFIG_RETENTION_TABLES_JSON_H_

#include <string_view>

#include "absl/status/status.h"
#include "model/config/retention_table.h"

namespace videodiffcr {

// Parses {"9": [10, 8, ...], ...} as config.json has it under retention.tables into those of `retention`, whose deltas
// and floor they are read with. InvalidArgument names the key. Whether they fit a model is for ModelConfig::Validate().
absl::Status ParseRetentionTables(std::string_view json_text, RetentionConfig* retention);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_RETENTION_TABLES_JSON_H_
