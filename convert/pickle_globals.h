// The names that a pickle may say: everything that plain tensor data, and what torch.load(weights_only=True) takes
// beside it, refers to. Nothing of it is called.
#ifndef VIDEODIFFCR_CONVERT_PICKLE_GLOBALS_H_
#define VIDEODIFFCR_CONVERT_PICKLE_GLOBALS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "convert/pickle_value.h"

namespace videodiffcr {

// What "module.name" stands for. InvalidArgument names any other and says what to do with the file.
absl::StatusOr<PickleValue> FindPickleGlobal(absl::string_view name);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_PICKLE_GLOBALS_H_
