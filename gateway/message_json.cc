#include "gateway/message_json.h"

#include "google/protobuf/util/json_util.h"

namespace videodiffcr {

std::string MessageJsonText(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return "{}";
  return text;
}

nlohmann::json MessageJson(const google::protobuf::Message& message) {
  nlohmann::json parsed = nlohmann::json::parse(MessageJsonText(message), nullptr, false);
  return parsed.is_discarded() ? nlohmann::json::object() : parsed;
}

}  // namespace videodiffcr
