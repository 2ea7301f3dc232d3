// The part `retention` of config.json.
#ifndef VIDEODIFFCR_MODEL_CONFIG_RETENTION_JSON_H_
#define VIDEODIFFCR_MODEL_CONFIG_RETENTION_JSON_H_

#include <nlohmann/json.hpp>

#include "model/config/json_fields.h"
#include "model/config/retention_table.h"

namespace videodiffcr {

// What is wrong is merged into `parent`. Whether it fits a model is for ModelConfig::Validate().
void ReadRetention(const nlohmann::json& object, JsonFields* parent, RetentionConfig* config);

// As ReadRetention() takes it.
nlohmann::json FormatRetention(const RetentionConfig& retention);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_RETENTION_JSON_H_
