#include "server/rpc/message_parsing.h"

#include <utf8proc.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/unknown_field_set.h"
#include "grpcpp/support/slice.h"
#include "server/rpc/error_details.h"

namespace videodiffcr {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

struct BadString {
  std::string field;  // dotted path
  std::string value;
};

// Looks for the first string of the message in `bytes` that is not UTF-8; false when the bytes are no message of the
// wire format. Reads it without the generated classes, which would stop at such a string without saying where. Goes no
// deeper than the messages' types do, and none holds itself.
bool FindBadString(const Descriptor& type, const std::string& bytes, const std::string& path,
                   std::optional<BadString>* found) {
  UnknownFieldSet fields;
  if (!fields.ParseFromString(bytes)) return false;
  for (int i = 0; i < fields.field_count() && !found->has_value(); ++i) {
    const UnknownField& field = fields.field(i);
    const FieldDescriptor* descriptor = type.FindFieldByNumber(field.number());
    if (descriptor == nullptr || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    const std::string name = path.empty() ? descriptor->name() : absl::StrCat(path, ".", descriptor->name());
    if (descriptor->type() == FieldDescriptor::TYPE_STRING && !IsValidUtf8(field.length_delimited())) {
      *found = BadString{name, field.length_delimited()};
    }
    if (descriptor->type() == FieldDescriptor::TYPE_MESSAGE &&
        !FindBadString(*descriptor->message_type(), field.length_delimited(), name, found)) {
      return false;
    }
  }
  return true;
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
  return ParseMessage(std::string(reinterpret_cast<const char*>(slice.begin()), slice.size()), message);
}

absl::Status ParseMessage(const std::string& flat, google::protobuf::Message* message) {
  // Looked for first, so that the protobuf library does not write a line about it to the log for whoever sends one.
  // Bytes that break off behind such a string are not shown to it at all.
  std::optional<BadString> bad;
  const bool whole = FindBadString(*message->GetDescriptor(), flat, "", &bad);
  if (whole && bad.has_value()) return FieldError("INVALID_UTF8", bad->field, bad->value, "must be valid UTF-8");
  if (!whole || !message->ParseFromString(flat)) {
    return WithErrorInfo(absl::InvalidArgumentError(absl::StrCat("the ", flat.size(), " bytes are not a ",
                                                                 message->GetDescriptor()->full_name(),
                                                                 " message (got \"", Printable(flat, 32), "\")")),
                         "MALFORMED_MESSAGE", {{"value", Printable(flat, 32)}});
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
