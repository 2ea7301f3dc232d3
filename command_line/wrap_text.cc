#include "command_line/wrap_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {
namespace {

constexpr size_t kLineWidth = 100;

}  // namespace

std::string WrapText(std::string_view text, std::string_view indent) {
  const absl::string_view margin(indent.data(), indent.size());
  std::string wrapped;
  for (const absl::string_view paragraph : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    std::string line;
    for (const absl::string_view word : absl::StrSplit(paragraph, ' ', absl::SkipEmpty())) {
      if (!line.empty() && margin.size() + line.size() + 1 + word.size() > kLineWidth) {
        absl::StrAppend(&wrapped, margin, line, "\n");
        line.clear();
      }
      absl::StrAppend(&line, line.empty() ? "" : " ", word);
    }
    absl::StrAppend(&wrapped, line.empty() ? "" : margin, line, "\n");
  }
  return wrapped;
}

}  // namespace videodiffcr
