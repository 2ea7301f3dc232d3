// The page and what it needs, inside the program.
#ifndef VIDEODIFFCR_GATEWAY_PAGE_FILES_H_
#define VIDEODIFFCR_GATEWAY_PAGE_FILES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace videodiffcr {

struct PageFile {
  absl::string_view name;  // "index.html"
  absl::string_view content_type;
  absl::string_view bytes;
};

// nullptr when there is no file of that name.
const PageFile* FindPageFile(absl::string_view name);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_PAGE_FILES_H_
