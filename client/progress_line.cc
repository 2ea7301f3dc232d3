#include "client/progress_line.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "command_line/printable_text.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kPlainInterval = absl::Seconds(1);
constexpr char kClearLine[] = "\r\x1b[K";

}  // namespace

std::string FormatProgress(const ProgressFigures& figures) {
  std::string text = absl::StrCat("chunk ", figures.chunks);
  if (figures.length_chunks > 0) absl::StrAppend(&text, "/", figures.length_chunks);
  absl::StrAppendFormat(&text, "  %d frames  %.1f fps", figures.frames, figures.frames_per_second);
  if (figures.slack_seconds.has_value()) absl::StrAppendFormat(&text, "  slack %+.2f s", *figures.slack_seconds);
  absl::StrAppendFormat(&text, "  budget %.2f (executed %.3f)", figures.nominal_retention, figures.executed_retention);
  return text;
}

void ProgressLine::Show(std::string_view text, absl::Time now) {
  if (terminal_) {
    out_ << kClearLine << text << std::flush;
    pending_ = std::string(text);
  } else if (now - last_shown_ >= kPlainInterval) {
    out_ << text << std::endl;
    pending_.clear();
    last_shown_ = now;
  } else {
    pending_ = std::string(text);
  }
}

void ProgressLine::Note(std::string_view text) {
  const std::string printable = PrintableText(text);
  if (terminal_) {
    out_ << kClearLine << printable << "\n" << pending_ << std::flush;
  } else {
    out_ << printable << std::endl;
  }
}

void ProgressLine::End() {
  if (!pending_.empty()) {
    out_ << (terminal_ ? "" : pending_) << std::endl;
    pending_.clear();
  }
}

}  // namespace videodiffcr
