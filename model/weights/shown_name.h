// Names out of files, which may be anything, as messages show them.
#ifndef VIDEODIFFCR_MODEL_WEIGHTS_SHOWN_NAME_H_
#define VIDEODIFFCR_MODEL_WEIGHTS_SHOWN_NAME_H_

#include <cstddef>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

inline constexpr size_t kMostShownNameBytes = 100;

// With bytes escaped that are no plain text, and the end left out of what is longer than any real name.
inline std::string ShownName(absl::string_view name) {
  if (name.size() <= kMostShownNameBytes) return absl::CHexEscape(name);
  return absl::StrCat(absl::CHexEscape(name.substr(0, kMostShownNameBytes)), "... (", name.size(), " bytes)");
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_WEIGHTS_SHOWN_NAME_H_
