#include "training/evaluation/quality_report.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace videodiffcr::training {

double Share::standard_error() const {
  return asked == 0 ? 0 : std::sqrt(value() * (1 - value()) / static_cast<double>(asked));
}

void AddClip(const AttributeValues& prompted, const AttributeValues& read, QualityRow& row) {
  bool all = true;
  for (int i = 0; i < kAttributeCount; ++i) {
    if (i == kSpeed && prompted[kMotion] == kStill) continue;
    const bool right = prompted[i] == read[i];
    ++row.attributes[i].asked;
    row.attributes[i].right += right;
    if (!right) ++row.mistakes[{static_cast<Attribute>(i), prompted[i], read[i]}];
    all = all && right;
  }
  ++row.all.asked;
  row.all.right += all;
}

std::string FormatTable(const std::vector<QualityRow>& rows) {
  std::string out = absl::StrFormat("%-28s %5s  %-15s", "condition", "n", "all seven");
  for (int i = 0; i < kAttributeCount; ++i) {
    absl::StrAppendFormat(&out, " %s", AttributeName(static_cast<Attribute>(i)));
  }
  absl::StrAppend(&out, "  distance\n");
  for (const QualityRow& row : rows) {
    absl::StrAppendFormat(&out, "%-28s %5d  %.3f +- %.3f ", row.condition, row.all.asked, row.all.value(),
                          row.all.standard_error());
    for (int i = 0; i < kAttributeCount; ++i) {
      const int width = static_cast<int>(AttributeName(static_cast<Attribute>(i)).size());
      absl::StrAppendFormat(&out, " %*.3f", width, row.attributes[i].value());
    }
    absl::StrAppendFormat(&out, " %9.1f\n", row.frechet_distance);
  }
  return out;
}

std::string FormatMistakes(const QualityRow& row, int count) {
  std::vector<std::pair<Mistake, int64_t>> sorted(row.mistakes.begin(), row.mistakes.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (sorted.size() > static_cast<size_t>(count)) sorted.resize(static_cast<size_t>(count));
  std::vector<std::string> parts;
  for (const auto& [mistake, clips] : sorted) {
    parts.push_back(absl::StrFormat("%s: %s read as %s %d", AttributeName(mistake.attribute),
                                    ValueName(mistake.attribute, mistake.prompted),
                                    ValueName(mistake.attribute, mistake.read), clips));
  }
  return absl::StrJoin(parts, "; ");
}

std::string FormatCsv(const std::vector<QualityRow>& rows) {
  std::string out = "condition,n,all,all_standard_error";
  for (int i = 0; i < kAttributeCount; ++i) {
    absl::StrAppend(&out, ",", absl::StrReplaceAll(AttributeName(static_cast<Attribute>(i)), {{" ", "_"}}));
  }
  absl::StrAppend(&out, ",frechet_distance,seconds\n");
  for (const QualityRow& row : rows) {
    absl::StrAppendFormat(&out, "%s,%d,%.4f,%.4f", row.condition, row.all.asked, row.all.value(),
                          row.all.standard_error());
    for (const Share& share : row.attributes) absl::StrAppendFormat(&out, ",%.4f", share.value());
    absl::StrAppendFormat(&out, ",%.2f,%.1f\n", row.frechet_distance, row.seconds);
  }
  return out;
}

}  // namespace videodiffcr::training
