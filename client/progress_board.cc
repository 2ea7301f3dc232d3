#include "client/progress_board.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "command_line/printable_text.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kPlainInterval = absl::Seconds(1);

}  // namespace

class ProgressBoard::Line final : public ProgressSink {
 public:
  Line(ProgressBoard* board, std::string name) : board_(board), name_(std::move(name)) {}
  ~Line() override { End(); }

  void Show(std::string_view text, absl::Time now) override {
    if (!board_->terminal_ && now - last_shown_ < kPlainInterval) {
      pending_ = std::string(text);
      return;
    }
    last_shown_ = now;
    pending_.clear();
    board_->Show(name_, text);
  }

  void Note(std::string_view text) override { board_->Keep(name_, text); }

  void End() override {
    if (std::exchange(ended_, true)) return;
    if (!pending_.empty()) board_->Show(name_, pending_);
    board_->End(name_);
  }

 private:
  ProgressBoard* const board_;
  const std::string name_;
  std::string pending_;
  absl::Time last_shown_ = absl::InfinitePast();
  bool ended_ = false;
};

std::unique_ptr<ProgressSink> ProgressBoard::AddLine(std::string name) {
  return std::make_unique<Line>(this, std::move(name));
}

void ProgressBoard::Show(const std::string& name, std::string_view text) {
  MutexLock lock(&mutex_);
  if (!terminal_) {
    out_ << name << ": " << text << std::endl;
    return;
  }
  under_way_[name] = std::string(text);
  Draw("");
}

void ProgressBoard::Keep(const std::string& name, std::string_view text) {
  const std::string line = absl::StrCat(name, ": ", PrintableText(text), "\n");
  MutexLock lock(&mutex_);
  if (terminal_) return Draw(line);
  out_ << line << std::flush;
}

void ProgressBoard::End(const std::string& name) {
  MutexLock lock(&mutex_);
  const auto found = under_way_.find(name);
  if (found == under_way_.end()) return;
  const std::string last = absl::StrCat(name, ": ", found->second, "\n");
  under_way_.erase(found);
  Draw(last);
}

void ProgressBoard::Draw(std::string_view kept) {
  std::string text;
  if (drawn_ > 0) absl::StrAppend(&text, "\x1b[", drawn_, "F\x1b[J");
  text.append(kept);
  for (const auto& [name, line] : under_way_) absl::StrAppend(&text, name, ": ", line, "\n");
  drawn_ = under_way_.size();
  out_ << text << std::flush;
}

}  // namespace videodiffcr
