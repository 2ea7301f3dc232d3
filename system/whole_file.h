// Files that we write in one piece: there as a whole, or as they were before.
#ifndef VIDEODIFFCR_SYSTEM_WHOLE_FILE_H_
#define VIDEODIFFCR_SYSTEM_WHOLE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

// Where a link leads, so that the file behind it is replaced and not the link; that file need not be there yet. Of what
// is no link another name of it, or its own.
std::string BehindLinks(std::string path);

// Writes `bytes` beside `path` and moves them there once they are all on the disk: when it is full, or the process is
// ended meanwhile, an older file stays. What is no regular file (a pipe that somebody reads, a device) is written to as
// it is, and so is a file in a folder whose permissions allow no other. The system's reason, with the path, when it
// cannot be written.
absl::Status WriteWholeFile(const std::string& path, absl::string_view bytes);

// The same for what is not for everybody to read: a new file is its owner's and its group's, an older one keeps both
// and its mode before a byte is in it. On the disk before it gets its name, and never written to in place: a folder
// that takes no other file is an error.
absl::Status WriteSecretFile(const std::string& path, absl::string_view bytes);

// WriteWholeFile() with the bytes of the file `from`: a copy that was cut off is not there, rather than there in part.
absl::Status CopyWholeFile(const std::string& from, const std::string& path);

// Adds `bytes` at the end of the file, which is made when it is not there: all of them, or none when the disk is full.
absl::Status AppendWhole(const std::string& path, absl::string_view bytes);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_WHOLE_FILE_H_
