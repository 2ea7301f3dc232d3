#include "training/run/loss_log.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "system/regular_file.h"
#include "system/whole_file.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 30;
constexpr char kHeader[] = "step,loss,learning_rate,gradient_norm\n";

std::string FormatLine(const LossEntry& entry) {
  return absl::StrFormat("%d,%.9g,%.9g,%.9g\n", entry.step, entry.loss, entry.learning_rate, entry.gradient_norm);
}

// False for anything that is no whole line, as the last one may be after a cut.
bool ParseLine(const std::string& line, LossEntry* entry) {
  const std::vector<std::string> fields = absl::StrSplit(line, ',');
  return fields.size() == 4 && absl::SimpleAtoi(fields[0], &entry->step) && absl::SimpleAtod(fields[1], &entry->loss) &&
         absl::SimpleAtod(fields[2], &entry->learning_rate) && absl::SimpleAtod(fields[3], &entry->gradient_norm);
}

constexpr double kLeft = 60, kTop = 30, kWidth = 640, kHeight = 300;

// Log of the loss against the step, fitted into the plot.
class Axes {
 public:
  explicit Axes(const std::vector<LossEntry>& entries) : last_step_(entries.back().step) {
    for (const LossEntry& entry : entries) {
      low_ = std::min(low_, Log(entry.loss));
      high_ = std::max(high_, Log(entry.loss));
    }
    if (high_ - low_ < 1e-3) high_ = low_ + 1e-3;
  }
  std::string Point(int64_t step, double loss) const {
    const double x = static_cast<double>(step) / static_cast<double>(std::max<int64_t>(1, last_step_));
    const double y = (high_ - Log(loss)) / (high_ - low_);
    return absl::StrFormat("%.1f,%.1f ", kLeft + kWidth * x, kTop + kHeight * y);
  }
  double low() const { return std::pow(10, low_); }
  double high() const { return std::pow(10, high_); }

 private:
  static double Log(double loss) { return std::log10(std::max(loss, 1e-12)); }
  const int64_t last_step_;
  double low_ = 1e9, high_ = -1e9;
};

std::string Line(const std::string& points, const char* color, double width) {
  return absl::StrFormat("<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\" points=\"%s\"/>\n", color, width,
                         points);
}

}  // namespace

absl::StatusOr<LossLog> LossLog::Open(const std::string& path, int64_t next_step) {
  LossLog log;
  log.path_ = path;
  const absl::StatusOr<std::string> old = ReadRegularFile(path, kMaxFileBytes);
  if (!old.ok() && !absl::IsNotFound(old.status())) return old.status();
  std::istringstream lines(old.value_or(""));
  for (std::string line; std::getline(lines, line);) {
    LossEntry entry;
    if (ParseLine(line, &entry) && entry.step < next_step) log.entries_.push_back(entry);
  }
  std::string kept = kHeader;
  for (const LossEntry& entry : log.entries_) kept += FormatLine(entry);
  if (absl::Status status = WriteWholeFile(path, kept); !status.ok()) return status;
  log.file_.open(path, std::ios::binary | std::ios::app);
  if (absl::Status status = log.Flush(); !status.ok()) return status;
  return log;
}

void LossLog::Add(const LossEntry& entry) {
  entries_.push_back(entry);
  file_ << FormatLine(entry);
}

absl::Status LossLog::Flush() {
  file_.flush();
  return file_ ? absl::OkStatus()
               : absl::UnavailableError(absl::StrCat(path_, ": cannot be written; is the disk full?"));
}

std::string PlotLoss(const std::string& title, const std::vector<LossEntry>& entries) {
  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"370\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"720\" height=\"370\" fill=\"white\"/>\n<text x=\"%.0f\" y=\"20\">%s</text>\n",
      kLeft, title);
  if (entries.empty()) return svg + "</svg>\n";
  const Axes axes(entries);
  std::string raw, smooth;
  const double weight = 1.0 / std::max(1.0, static_cast<double>(entries.size()) / 50);
  double mean = entries.front().loss;
  // At most about a thousand points: an SVG of a long run should still open.
  const size_t stride = entries.size() / 1000 + 1;
  for (size_t i = 0; i < entries.size(); ++i) {
    mean += weight * (entries[i].loss - mean);
    if (i % stride != 0 && i + 1 != entries.size()) continue;
    raw += axes.Point(entries[i].step, entries[i].loss);
    smooth += axes.Point(entries[i].step, mean);
  }
  absl::StrAppend(&svg, Line(raw, "#c8d4e8", 1), Line(smooth, "#1f4e9c", 2));
  absl::StrAppendFormat(&svg, "<text x=\"4\" y=\"%.0f\">%.3g</text>\n<text x=\"4\" y=\"%.0f\">%.3g</text>\n", kTop + 8,
                        axes.high(), kTop + kHeight, axes.low());
  absl::StrAppendFormat(&svg, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">step %d</text>\n</svg>\n",
                        kLeft + kWidth, kTop + kHeight + 22, entries.back().step);
  return svg;
}

}  // namespace videodiffcr::training
