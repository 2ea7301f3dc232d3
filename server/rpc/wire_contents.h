// What the bytes of a message hold, found without building anything of it: the protobuf library makes 24 bytes and more
// out of 2, so whoever sends some MiB is looked at before it gets them.
#ifndef VIDEODIFFCR_SERVER_RPC_WIRE_CONTENTS_H_
#define VIDEODIFFCR_SERVER_RPC_WIRE_CONTENTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace videodiffcr {

struct BadString {
  std::string field;        // dotted path
  absl::string_view value;  // within the bytes
};

struct WireContents {
  bool whole = false;             // the bytes are a message of the wire format; else the rest is of no meaning
  int64_t unknown_fields = 0;     // that the type or those within it lack, also by their wire type; within groups too
  int64_t repeated_elements = 0;  // of all repeated fields together
  std::optional<BadString> bad_string;  // the first that is not UTF-8
};

// Goes no deeper than the messages' types do, and none holds itself; into groups, which are all unknown, as deep as the
// protobuf library does. Reads each byte once, and takes memory for nothing but a bad string's path.
WireContents LookThrough(const google::protobuf::Descriptor& type, absl::string_view bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_WIRE_CONTENTS_H_
