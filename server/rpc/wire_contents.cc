#include "server/rpc/wire_contents.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "server/rpc/message_parsing.h"

namespace videodiffcr {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

WireFormatLite::WireType WireTypeOf(const FieldDescriptor& field) {
  return WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(field.type()));
}

// Numbers one after another, which take no more than their bytes here and 8 bytes each in the message.
int64_t PackedElements(const FieldDescriptor& field, absl::string_view bytes) {
  switch (WireTypeOf(field)) {
    case WireFormatLite::WIRETYPE_FIXED32:
      return static_cast<int64_t>(bytes.size() / 4);
    case WireFormatLite::WIRETYPE_FIXED64:
      return static_cast<int64_t>(bytes.size() / 8);
    default:  // each number's last byte has its first bit clear
      return std::count_if(bytes.begin(), bytes.end(), [](char byte) { return (byte & 0x80) == 0; });
  }
}

class Walk {
 public:
  // All methods: false when the bytes are no message of the wire format.

  bool Message(const Descriptor& type, absl::string_view bytes) {
    CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
    while (const uint32_t tag = input.ReadTag()) {
      if (!Field(type, tag, &input)) return false;
    }
    return input.ConsumedEntireMessage();
  }

  WireContents contents;

 private:
  bool Field(const Descriptor& type, uint32_t tag, CodedInputStream* input) {
    const FieldDescriptor* const field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    const WireFormatLite::WireType wire_type = WireFormatLite::GetTagWireType(tag);
    const bool packed =
        field != nullptr && field->is_packable() && wire_type == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    if (field == nullptr || (!packed && wire_type != WireTypeOf(*field))) return Unknown(tag, input);
    if (wire_type != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (field->is_repeated()) ++contents.repeated_elements;
      return WireFormatLite::SkipField(input, tag);
    }
    const std::optional<absl::string_view> value = LengthDelimited(input);
    if (!value.has_value()) return false;
    if (field->is_repeated()) contents.repeated_elements += packed ? PackedElements(*field, *value) : 1;
    return packed || Value(*field, *value);
  }

  bool Value(const FieldDescriptor& field, absl::string_view value) {
    const bool looks_within = field.type() == FieldDescriptor::TYPE_MESSAGE;
    const bool is_text = field.type() == FieldDescriptor::TYPE_STRING && !contents.bad_string.has_value();
    if (!looks_within && !is_text) return true;
    path_.push_back(&field);
    bool whole = true;
    if (looks_within) {
      whole = Message(*field.message_type(), value);
    } else if (!IsValidUtf8(value)) {
      contents.bad_string = BadString{Path(), value};
    }
    path_.pop_back();
    return whole;
  }

  bool Unknown(uint32_t tag, CodedInputStream* input) {
    if (WireFormatLite::GetTagFieldNumber(tag) == 0) return false;
    ++contents.unknown_fields;
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_START_GROUP) {
      return WireFormatLite::SkipField(input, tag);
    }
    if (!input->IncrementRecursionDepth()) return false;
    const uint32_t end =
        WireFormatLite::MakeTag(WireFormatLite::GetTagFieldNumber(tag), WireFormatLite::WIRETYPE_END_GROUP);
    uint32_t within;
    while ((within = input->ReadTag()) != 0 && within != end) {
      if (!Unknown(within, input)) return false;
    }
    input->DecrementRecursionDepth();
    return within == end;
  }

  static std::optional<absl::string_view> LengthDelimited(CodedInputStream* input) {
    uint32_t length;
    const void* data;
    int left;
    if (!input->ReadVarint32(&length)) return std::nullopt;
    if (length == 0) return absl::string_view();
    if (!input->GetDirectBufferPointer(&data, &left) || length > static_cast<uint32_t>(left)) return std::nullopt;
    input->Skip(static_cast<int>(length));
    return absl::string_view(static_cast<const char*>(data), length);
  }

  std::string Path() const {
    std::string path;
    for (const FieldDescriptor* field : path_) absl::StrAppend(&path, path.empty() ? "" : ".", field->name());
    return path;
  }

  std::vector<const FieldDescriptor*> path_;
};

}  // namespace

WireContents LookThrough(const Descriptor& type, absl::string_view bytes) {
  Walk walk;
  walk.contents.whole = walk.Message(type, bytes);
  return walk.contents;
}

}  // namespace videodiffcr
