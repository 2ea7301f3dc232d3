#include "training/evaluation/clip_comparison.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace videodiffcr::training {
namespace {

bool IsOf(const MethodClips& method, const ClipGroup& group) {
  return method.method == group.method && method.condition == group.condition && method.budget == group.budget &&
         method.scores == group.scores;
}

// Pairs of the two's training seeds: [reference, other].
using SeedPairs = std::vector<std::pair<const JudgedClips*, const JudgedClips*>>;

SeedPairs PairSeeds(const MethodClips& reference, const MethodClips& other) {
  SeedPairs pairs;
  const bool single = reference.seeds.size() == 1 || other.seeds.size() == 1;
  for (const JudgedClips& seed : other.seeds) {
    for (const JudgedClips& of_reference : reference.seeds) {
      const bool same = of_reference.group.training_seed == seed.group.training_seed;
      if (same || single) pairs.emplace_back(&of_reference, &seed);
    }
  }
  return pairs;
}

using ClipsByNumber = std::map<int64_t, const ClipRecord*>;

ClipsByNumber ByNumber(const JudgedClips& judged) {
  ClipsByNumber clips;
  for (const ClipRecord& record : judged.clips) clips[record.clip] = &record;
  return clips;
}

// Numbers of the clips that every training seed of both has.
std::vector<int64_t> CommonClips(const SeedPairs& pairs) {
  std::map<int64_t, size_t> seen;
  for (const auto& [reference, other] : pairs) {
    for (const auto& [clip, record] : ByNumber(*reference)) ++seen[clip];
    for (const auto& [clip, record] : ByNumber(*other)) ++seen[clip];
  }
  std::vector<int64_t> common;
  for (const auto& [clip, times] : seen) {
    if (times == 2 * pairs.size()) common.push_back(clip);
  }
  return common;
}

absl::Status CheckPrompts(const MethodClips& reference, const MethodClips& other, const SeedPairs& pairs,
                          const std::vector<int64_t>& clips) {
  const std::string both = absl::StrCat(reference.name(), " and ", other.name());
  for (const auto& [first, second] : pairs) {
    const ClipsByNumber of_first = ByNumber(*first), of_second = ByNumber(*second);
    for (const int64_t clip : clips) {
      if (first->group.evaluation_seed == second->group.evaluation_seed &&
          of_first.at(clip)->prompted == of_second.at(clip)->prompted) {
        continue;
      }
      return absl::InvalidArgumentError(
          absl::StrCat(both, ": clip ", clip, " has another prompt in each; judge both with the same --seed"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string MethodClips::name() const {
  return absl::StrCat(method,
                      budget == 10 ? ", dense" : absl::StrFormat(", retention %.1f, %s", budget / 10.0, scores));
}

absl::StatusOr<std::vector<MethodClips>> GroupByMethod(const std::vector<JudgedClips>& judged) {
  std::vector<MethodClips> methods;
  for (const JudgedClips& one : judged) {
    auto method = std::find_if(methods.begin(), methods.end(),
                               [&one](const MethodClips& other) { return IsOf(other, one.group); });
    if (method == methods.end()) {
      methods.push_back({one.group.method, one.group.condition, one.group.budget, one.group.scores, {}});
      method = methods.end() - 1;
    }
    for (const JudgedClips& other : method->seeds) {
      if (other.group.training_seed != one.group.training_seed) continue;
      return absl::InvalidArgumentError(absl::StrCat(method->name(), ", ", method->condition, ": training seed '",
                                                     one.group.training_seed, "' is there twice"));
    }
    method->seeds.push_back(one);
  }
  return methods;
}

absl::StatusOr<Comparison> Compare(const MethodClips& reference, const MethodClips& other,
                                   const ComparisonOptions& options) {
  const SeedPairs pairs = PairSeeds(reference, other);
  const std::vector<int64_t> clips = CommonClips(pairs);
  if (pairs.empty() || clips.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(reference.name(), " and ", other.name(), ", ", other.condition,
                                                   ": no ", pairs.empty() ? "training seed" : "clip", " in common"));
  }
  if (absl::Status same = CheckPrompts(reference, other, pairs, clips); !same.ok()) return same;
  SeedClipValues of_reference, of_other;
  for (const auto& [first, second] : pairs) {
    const ClipsByNumber by_first = ByNumber(*first), by_second = ByNumber(*second);
    of_reference.emplace_back();
    of_other.emplace_back();
    for (const int64_t clip : clips) {
      of_reference.back().push_back(by_first.at(clip)->values[static_cast<size_t>(options.column)]);
      of_other.back().push_back(by_second.at(clip)->values[static_cast<size_t>(options.column)]);
    }
  }
  Comparison comparison;
  comparison.condition = other.condition;
  comparison.reference = reference.name();
  comparison.other = other.name();
  comparison.training_seeds = static_cast<int64_t>(pairs.size());
  comparison.clips = static_cast<int64_t>(clips.size());
  comparison.reference_mean = MeanOfValues(of_reference);
  comparison.other_mean = MeanOfValues(of_other);
  comparison.difference = Bootstrap(PairedDifferences(of_other, of_reference), options.bootstrap);
  comparison.not_inferior = IsNotInferior(comparison.difference, MoreIsBetter(options.column), options.margin);
  return comparison;
}

std::string FormatComparisons(const std::vector<Comparison>& comparisons, const ComparisonOptions& options) {
  std::string out = absl::StrFormat("%s, margin %g\n", ColumnName(options.column), options.margin);
  for (const Comparison& row : comparisons) {
    absl::StrAppendFormat(&out,
                          "%s: %s %.4f, %s %.4f, difference %+.4f (95 %% %+.4f to %+.4f), %s; %d clips, %d seeds\n",
                          row.condition, row.reference, row.reference_mean, row.other, row.other_mean,
                          row.difference.mean, row.difference.low, row.difference.high,
                          row.not_inferior ? "not inferior" : "inferior or undecided", row.clips, row.training_seeds);
  }
  return out;
}

std::string FormatComparisonsCsv(const std::vector<Comparison>& comparisons, const ComparisonOptions& options) {
  const auto quoted = [](const std::string& name) { return absl::StrReplaceAll(name, {{", ", " "}}); };
  std::string out =
      "condition,column,reference,other,training_seeds,clips,reference_mean,other_mean,difference,low,high,"
      "one_sided_bound,margin,not_inferior\n";
  for (const Comparison& row : comparisons) {
    const double bound = MoreIsBetter(options.column) ? row.difference.one_sided_low : row.difference.one_sided_high;
    absl::StrAppendFormat(&out, "%s,%s,%s,%s,%d,%d,%.5g,%.5g,%.5g,%.5g,%.5g,%.5g,%g,%s\n", row.condition,
                          ColumnName(options.column), quoted(row.reference), quoted(row.other), row.training_seeds,
                          row.clips, row.reference_mean, row.other_mean, row.difference.mean, row.difference.low,
                          row.difference.high, bound, options.margin, row.not_inferior ? "yes" : "no");
  }
  return out;
}

}  // namespace videodiffcr::training
