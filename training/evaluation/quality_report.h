// Shares of clips whose attributes came out as prompted, with their uncertainty.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_QUALITY_REPORT_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_QUALITY_REPORT_H_

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "training/evaluation/quality_score.h"
#include "training/evaluation/retention_cost.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

struct Share {
  int64_t right = 0;
  int64_t asked = 0;

  double value() const { return asked == 0 ? 0 : static_cast<double>(right) / static_cast<double>(asked); }
  // Binomial: sqrt(p (1 - p) / n); 0 when nothing was asked.
  double standard_error() const;
};

struct Mistake {
  Attribute attribute = kShape;
  int prompted = 0, read = 0;
  auto operator<=>(const Mistake&) const = default;
};

struct QualityRow {
  std::string condition;  // "dense", "retention 0.7", "after 24 chunks", ...
  Share all;              // all seven attributes right
  std::array<Share, kAttributeCount> attributes;
  // What was prompted and what was read instead, by number of clips.
  std::map<Mistake, int64_t> mistakes;
  double frechet_distance = 0;  // to renders of the same prompts; 0: not measured
  double seconds = 0;           // wall time of generating and judging
  RetentionCost cost;
  std::optional<QualityScore> score;  // of the video proxies, when they were measured
};

// Whether a prompt says an attribute. Speed is not asked of what was to stand still (tiny_recipe.md section 4), and
// what a caption leaves open has a negative value.
bool IsAsked(const AttributeValues& prompted, Attribute attribute);

// Adds one judged clip.
void AddClip(const AttributeValues& prompted, const AttributeValues& read, QualityRow& row);

// For people: aligned columns, one line per row.
std::string FormatTable(const std::vector<QualityRow>& rows);
// The `count` most frequent mistakes of a row, in one line: "motion: bounce read as orbit 12; ...".
std::string FormatMistakes(const QualityRow& row, int count);
// For programs: condition,n,all,all_standard_error,<attribute>,...,frechet_distance,seconds, the costs (multiply-adds
// in millions per chunk), and quality,semantic,total, which are empty where the proxies were not measured.
std::string FormatCsv(const std::vector<QualityRow>& rows);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_QUALITY_REPORT_H_
