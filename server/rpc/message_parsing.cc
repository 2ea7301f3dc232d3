#include "server/rpc/message_parsing.h"

#include <utf8proc.h>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/support/slice.h"
#include "server/rpc/error_details.h"
#include "server/rpc/wire_contents.h"

namespace videodiffcr {
namespace {

// Clients that are newer than this server know a few fields that it does not. The library keeps what it does not know,
// as it keeps the elements of a repeated field: each 2 bytes of a message would become 24 and more.
constexpr int64_t kMaxUnknownFields = 1000;
// A snapshot has a few chunks, as many prompts and some hundred ids.
constexpr int64_t kMaxRepeatedElements = 10'000;

absl::Status TooMany(absl::string_view what, int64_t count, int64_t limit) {
  return WithErrorInfo(
      absl::InvalidArgumentError(absl::StrCat("the message has ", count, " ", what, "; at most ", limit, " are taken")),
      "MALFORMED_MESSAGE", {{"value", absl::StrCat(count)}, {"limit", absl::StrCat(limit)}});
}

absl::Status CheckContents(const google::protobuf::Descriptor& type, const WireContents& contents) {
  if (contents.unknown_fields > kMaxUnknownFields) {
    return TooMany(absl::StrCat("fields that a ", type.full_name(), " does not have"), contents.unknown_fields,
                   kMaxUnknownFields);
  }
  if (contents.repeated_elements > kMaxRepeatedElements) {
    return TooMany("elements in its repeated fields", contents.repeated_elements, kMaxRepeatedElements);
  }
  if (!contents.bad_string.has_value()) return absl::OkStatus();
  return FieldError("INVALID_UTF8", contents.bad_string->field, contents.bad_string->value, "must be valid UTF-8");
}

}  // namespace

bool IsValidUtf8(absl::string_view bytes) {
  const auto* next = reinterpret_cast<const utf8proc_uint8_t*>(bytes.data());
  auto left = static_cast<utf8proc_ssize_t>(bytes.size());
  while (left > 0) {
    utf8proc_int32_t character = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(next, left, &character);
    if (length <= 0) return false;
    next += length;
    left -= length;
  }
  return true;
}

absl::Status ParseMessage(const grpc::ByteBuffer& bytes, int64_t max_bytes, google::protobuf::Message* message) {
  const auto size = static_cast<int64_t>(bytes.Length());
  if (size > max_bytes) {
    return WithErrorInfo(
        absl::InvalidArgumentError(absl::StrCat("the message has ", size, " bytes; at most ", max_bytes, " are taken")),
        "MESSAGE_TOO_LARGE", {{"value", absl::StrCat(size)}, {"limit", absl::StrCat(max_bytes)}});
  }
  grpc::Slice slice;
  if (!bytes.DumpToSingleSlice(&slice).ok()) return absl::InternalError("cannot read the message's bytes");
  return ParseMessage(absl::string_view(reinterpret_cast<const char*>(slice.begin()), slice.size()), message);
}

absl::Status ParseMessage(absl::string_view flat, google::protobuf::Message* message) {
  const google::protobuf::Descriptor& type = *message->GetDescriptor();
  // Looked through first, so that the library neither takes many times the bytes' memory nor writes a line to the log
  // about a string that is not UTF-8 for whoever sends one. Bytes that break off behind such a string are not shown to
  // it at all.
  const WireContents contents = LookThrough(type, flat);
  if (contents.whole) {
    if (absl::Status status = CheckContents(type, contents); !status.ok()) return status;
  }
  if (!contents.whole || !message->ParseFromArray(flat.data(), static_cast<int>(flat.size()))) {
    return WithErrorInfo(
        absl::InvalidArgumentError(absl::StrCat("the ", flat.size(), " bytes are not a ", type.full_name(),
                                                " message (got \"", Printable(flat, 32), "\")")),
        "MALFORMED_MESSAGE", {{"value", Printable(flat, 32)}});
  }
  // A session keeps what it was asked for.
  message->DiscardUnknownFields();
  return absl::OkStatus();
}

}  // namespace videodiffcr
