// Messages of the API as JSON: the names of the proto file, protobuf's forms (64-bit numbers and durations are
// strings).
#ifndef VIDEODIFFCR_GATEWAY_MESSAGE_JSON_H_
#define VIDEODIFFCR_GATEWAY_MESSAGE_JSON_H_

#include <string>

#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace videodiffcr {

// Fields at their default included.
std::string MessageJsonText(const google::protobuf::Message& message);
nlohmann::json MessageJson(const google::protobuf::Message& message);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_MESSAGE_JSON_H_
