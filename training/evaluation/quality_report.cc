#include "training/evaluation/quality_report.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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
  absl::StrAppend(&out, "\n");
  for (const QualityRow& row : rows) {
    absl::StrAppendFormat(&out, "%-28s %5d  %.3f +- %.3f ", row.condition, row.all.asked, row.all.value(),
                          row.all.standard_error());
    for (int i = 0; i < kAttributeCount; ++i) {
      const int width = static_cast<int>(AttributeName(static_cast<Attribute>(i)).size());
      absl::StrAppendFormat(&out, " %*.3f", width, row.attributes[i].value());
    }
    absl::StrAppend(&out, "\n");
  }
  return out;
}

std::string FormatCsv(const std::vector<QualityRow>& rows) {
  std::string out = "condition,n,all,all_standard_error";
  for (int i = 0; i < kAttributeCount; ++i) {
    absl::StrAppend(&out, ",", absl::StrReplaceAll(AttributeName(static_cast<Attribute>(i)), {{" ", "_"}}));
  }
  absl::StrAppend(&out, ",seconds\n");
  for (const QualityRow& row : rows) {
    absl::StrAppendFormat(&out, "%s,%d,%.4f,%.4f", row.condition, row.all.asked, row.all.value(),
                          row.all.standard_error());
    for (const Share& share : row.attributes) absl::StrAppendFormat(&out, ",%.4f", share.value());
    absl::StrAppendFormat(&out, ",%.1f\n", row.seconds);
  }
  return out;
}

}  // namespace videodiffcr::training
