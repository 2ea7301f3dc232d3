// Where the program that runs lies.
#ifndef VIDEODIFFCR_SYSTEM_PROGRAM_PATH_H_
#define VIDEODIFFCR_SYSTEM_PROGRAM_PATH_H_

#include <string>

#include "absl/status/statusor.h"

namespace videodiffcr {

// The file of this process's program, links resolved. Unavailable without /proc.
absl::StatusOr<std::string> PathOfThisProgram();

// The folder that it lies in, beside which our other programs lie.
absl::StatusOr<std::string> FolderOfThisProgram();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_PROGRAM_PATH_H_
