// Request bytes to messages. We parse ourselves because gRPC would answer bytes that do not parse, a string that is not
// UTF-8 among them, with INTERNAL on a unary call and with a silent end of the request stream on a streaming one.
#ifndef VIDEODIFFCR_SERVER_RPC_MESSAGE_PARSING_H_
#define VIDEODIFFCR_SERVER_RPC_MESSAGE_PARSING_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "grpcpp/support/byte_buffer.h"

namespace videodiffcr {

// InvalidArgument: MESSAGE_TOO_LARGE when there are more than `max_bytes`, INVALID_UTF8 naming the string field and its
// value, MALFORMED_MESSAGE when the bytes are no protobuf message of this type, or hold so many fields that the type
// does not have, or elements of repeated ones, that the message would take many times their memory. Fields that the
// type does not have are left out.
absl::Status ParseMessage(const grpc::ByteBuffer& bytes, int64_t max_bytes, google::protobuf::Message* message);

// The same of bytes that another message holds.
absl::Status ParseMessage(absl::string_view bytes, google::protobuf::Message* message);

// `bytes` is UTF-8 as the Unicode standard defines it: no overlong forms, no surrogates.
bool IsValidUtf8(absl::string_view bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_MESSAGE_PARSING_H_
