// Whether what a program ends with has a place: found out before the work.
#ifndef VIDEODIFFCR_SYSTEM_WRITABLE_H_
#define VIDEODIFFCR_SYSTEM_WRITABLE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace videodiffcr {

// Whether the file at `path` could be written, found out without changing it: a file that is not there is made and
// taken away again. `flag` names it ("--output"). The system's reason, with what to do, when it could not.
absl::Status CheckWritable(const std::string& path, std::string_view flag);

// What that says of a file that could not be opened for writing; `error` is the system's.
absl::Status CannotWrite(const std::string& path, std::string_view flag, int error);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_WRITABLE_H_
