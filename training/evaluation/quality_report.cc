#include "training/evaluation/quality_report.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace videodiffcr::training {

namespace {

// RFC 4180: what holds a comma or a quote stands in quotes.
std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace

double Share::standard_error() const {
  return asked == 0 ? 0 : std::sqrt(value() * (1 - value()) / static_cast<double>(asked));
}

bool IsAsked(const AttributeValues& prompted, Attribute attribute) {
  return prompted[attribute] >= 0 && !(attribute == kSpeed && prompted[kMotion] == kStill);
}

void AddClip(const AttributeValues& prompted, const AttributeValues& read, QualityRow& row) {
  bool all = true;
  for (int i = 0; i < kAttributeCount; ++i) {
    if (!IsAsked(prompted, static_cast<Attribute>(i))) continue;
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
  std::string out = absl::StrFormat("%-32s %5s %8s %8s  %-15s", "condition", "n", "executed", "Mmac", "all seven");
  for (int i = 0; i < kAttributeCount; ++i) {
    absl::StrAppendFormat(&out, " %s", AttributeName(static_cast<Attribute>(i)));
  }
  absl::StrAppend(&out, "  distance  quality semantic    total\n");
  for (const QualityRow& row : rows) {
    absl::StrAppendFormat(&out, "%-32s %5d %8.4f %8.1f  %.3f +- %.3f ", row.condition, row.all.asked, row.cost.executed,
                          row.cost.multiply_adds / 1e6, row.all.value(), row.all.standard_error());
    for (int i = 0; i < kAttributeCount; ++i) {
      const int width = static_cast<int>(AttributeName(static_cast<Attribute>(i)).size());
      absl::StrAppendFormat(&out, " %*.3f", width, row.attributes[i].value());
    }
    absl::StrAppendFormat(&out, " %9.1f", row.frechet_distance);
    if (row.score) {
      absl::StrAppendFormat(&out, " %8.3f %8.3f %8.3f", row.score->quality, row.score->semantic, row.score->total);
    }
    absl::StrAppend(&out, "\n");
  }
  return out;
}

std::string FormatMistakes(const QualityRow& row, int count) {
  std::vector<std::pair<Mistake, int64_t>> sorted(row.mistakes.begin(), row.mistakes.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (sorted.size() > static_cast<size_t>(count)) sorted.resize(static_cast<size_t>(count));
  std::vector<std::string> parts;
  parts.reserve(sorted.size());
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
  absl::StrAppend(&out,
                  ",frechet_distance,seconds,executed,executed_with_context,mmacs,mmacs_with_context,"
                  "quality,semantic,total\n");
  for (const QualityRow& row : rows) {
    absl::StrAppendFormat(&out, "%s,%d,%.4f,%.4f", CsvField(row.condition), row.all.asked, row.all.value(),
                          row.all.standard_error());
    for (const Share& share : row.attributes) absl::StrAppendFormat(&out, ",%.4f", share.value());
    absl::StrAppendFormat(&out, ",%.2f,%.1f,%.4f,%.4f,%.2f,%.2f", row.frechet_distance, row.seconds, row.cost.executed,
                          row.cost.executed_with_context, row.cost.multiply_adds / 1e6,
                          row.cost.multiply_adds_with_context / 1e6);
    if (row.score) {
      absl::StrAppendFormat(&out, ",%.4f,%.4f,%.4f\n", row.score->quality, row.score->semantic, row.score->total);
    } else {
      absl::StrAppend(&out, ",,,\n");
    }
  }
  return out;
}

}  // namespace videodiffcr::training
