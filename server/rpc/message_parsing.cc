#include "server/rpc/message_parsing.h"

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

// The first string of the message in `bytes` that is not UTF-8. Reads the wire format without the generated classes,
// which would stop at it without saying where. Goes no deeper than the messages' types do, and none holds itself.
std::optional<BadString> FindBadString(const Descriptor& type, const std::string& bytes, const std::string& path) {
  UnknownFieldSet fields;
  if (!fields.ParseFromString(bytes)) return std::nullopt;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    const FieldDescriptor* descriptor = type.FindFieldByNumber(field.number());
    if (descriptor == nullptr || field.type() != UnknownField::TYPE_LENGTH_DELIMITED) continue;
    const std::string name = path.empty() ? descriptor->name() : absl::StrCat(path, ".", descriptor->name());
    if (descriptor->type() == FieldDescriptor::TYPE_STRING && !IsValidUtf8(field.length_delimited())) {
      return BadString{name, field.length_delimited()};
    }
    if (descriptor->type() == FieldDescriptor::TYPE_MESSAGE) {
      auto found = FindBadString(*descriptor->message_type(), field.length_delimited(), name);
      if (found.has_value()) return found;
    }
  }
  return std::nullopt;
}

// Bytes of the character that begins at `bytes[0]`; 0 when it is not a valid one.
size_t Utf8Length(absl::string_view bytes) {
  const auto at = [&bytes](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || bytes.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  // Overlong forms, UTF-16 surrogates, and what lies beyond U+10FFFF show in the second byte.
  if (lead == 0xe0 && at(1) < 0xa0) return 0;
  if (lead == 0xed && at(1) > 0x9f) return 0;
  if (lead == 0xf0 && at(1) < 0x90) return 0;
  if (lead == 0xf4 && at(1) > 0x8f) return 0;
  return length;
}

}  // namespace

bool IsValidUtf8(absl::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = Utf8Length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
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
  const std::string flat(reinterpret_cast<const char*>(slice.begin()), slice.size());
  // Looked for first, so that the protobuf library does not write a line about it to the log for whoever sends one.
  if (auto bad = FindBadString(*message->GetDescriptor(), flat, ""); bad.has_value()) {
    return FieldError("INVALID_UTF8", bad->field, bad->value, "must be valid UTF-8");
  }
  if (!message->ParseFromString(flat)) {
    return WithErrorInfo(absl::InvalidArgumentError(absl::StrCat("the ", size, " bytes are not a ",
                                                                 message->GetDescriptor()->full_name(),
                                                                 " message (got \"", Printable(flat, 32), "\")")),
                         "MALFORMED_MESSAGE", {{"value", Printable(flat, 32)}});
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
