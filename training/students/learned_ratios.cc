#include "training/students/learned_ratios.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "system/wrong_usage.h"

namespace videodiffcr::training {
namespace {

constexpr double kOnABin = 1e-5;  // tenths: ratios are fp32, and 0.8 is a bin, not just above one

// A layer's share in a mean: its tenths, or those of its steps together.
int SumOfSteps(int layer_tenths, const RatioRule& rule, RatioAccounting accounting) {
  if (accounting == RatioAccounting::kNominal) return layer_tenths;
  int sum = 0;
  for (const int delta : rule.step_delta_tenths) {
    sum += std::clamp(layer_tenths + delta, rule.floor_tenths, kDenseTenths);
  }
  return sum;
}

size_t StepsThatCount(const RatioRule& rule, RatioAccounting accounting) {
  return accounting == RatioAccounting::kNominal ? 1 : rule.step_delta_tenths.size();
}

// How near to their ratios layers can be that sum to so many tenths: sum -> squared distance, and the last one's
// tenths.
struct Way {
  double distance = 0;
  int tenths = 0;
};
using WaysToSums = std::map<int, Way>;

// Of the first 0, 1, 2, ... layers.
std::vector<WaysToSums> NearestWays(const std::vector<double>& ratios, const RatioRule& rule,
                                    RatioAccounting accounting) {
  std::vector<WaysToSums> ways = {{{0, {}}}};
  for (const double ratio : ratios) {
    WaysToSums next;
    for (int tenths = rule.floor_tenths; tenths <= kDenseTenths; ++tenths) {
      const double off = 10 * ratio + kOnABin - tenths;
      for (const auto& [sum, way] : ways.back()) {
        const Way longer = {way.distance + off * off, tenths};
        const auto [found, is_new] = next.try_emplace(sum + SumOfSteps(tenths, rule, accounting), longer);
        if (!is_new && longer.distance < found->second.distance) found->second = longer;
      }
    }
    ways.push_back(std::move(next));
  }
  return ways;
}

// Of two that are as near, the one nearer to the ratios.
int SumNearest(double wanted, const WaysToSums& ways) {
  const auto nearer = [wanted](const auto& one, const auto& other) {
    const double gap = std::fabs(one.first - wanted) - std::fabs(other.first - wanted);
    return std::fabs(gap) > 1e-9 ? gap < 0 : one.second.distance < other.second.distance;
  };
  return std::min_element(ways.begin(), ways.end(), nearer)->first;
}

}  // namespace

RatioBins BinsOf(double rho, int delta_tenths, int floor_tenths) {
  const double wanted = 10 * rho + delta_tenths;
  const double r = std::clamp<double>(wanted, floor_tenths, kDenseTenths);
  RatioBins bins;
  bins.upper_tenths =
      std::clamp(static_cast<int>(std::ceil(r - kOnABin)), std::min(floor_tenths + 1, kDenseTenths), kDenseTenths);
  bins.lower_tenths = bins.upper_tenths - 1;
  bins.weight = std::clamp(r - bins.lower_tenths, 0.0, 1.0);
  if (bins.weight > 1 - kOnABin) bins.weight = 1;
  if (bins.weight < kOnABin) bins.weight = 0;
  if (wanted < floor_tenths - kOnABin || wanted > kDenseTenths + kOnABin) bins.slope = 0;
  return bins;
}

double MeanRetention(const std::vector<int>& layer_tenths, const RatioRule& rule, RatioAccounting accounting) {
  int64_t sum = 0;
  for (const int layer : layer_tenths) sum += SumOfSteps(layer, rule, accounting);
  const size_t count = layer_tenths.size() * StepsThatCount(rule, accounting);
  return count == 0 ? 1.0 : 0.1 * static_cast<double>(sum) / static_cast<double>(count);
}

std::optional<std::vector<int>> LayerTenthsOf(const RetentionTable& table, const RatioRule& rule) {
  std::vector<int> layers;
  for (const std::vector<int>& layer : table.tenths) layers.push_back(layer.back());  // the context pass: no delta
  const RetentionTable made = MakeRetentionTable(table.nominal, layers, rule.step_delta_tenths, rule.floor_tenths);
  if (made.tenths != table.tenths) return std::nullopt;
  return layers;
}

std::vector<int> NearestTenthsOf(const std::vector<double>& ratios, const RatioRule& rule) {
  std::vector<int> tenths;
  tenths.reserve(ratios.size());
  for (const double ratio : ratios) {
    tenths.push_back(std::clamp(NearestTenths(ratio + 0.1 * kOnABin), rule.floor_tenths, kDenseTenths));
  }
  return tenths;
}

std::vector<int> ProjectRatios(const std::vector<double>& ratios, double target, const RatioRule& rule,
                               RatioAccounting accounting) {
  const std::vector<WaysToSums> ways = NearestWays(ratios, rule, accounting);
  const size_t shares = ratios.size() * StepsThatCount(rule, accounting);
  int sum = SumNearest(10 * target * static_cast<double>(shares), ways.back());
  std::vector<int> tenths(ratios.size());
  for (size_t layer = ratios.size(); layer-- > 0;) {
    tenths[layer] = ways[layer + 1].at(sum).tenths;
    sum -= SumOfSteps(tenths[layer], rule, accounting);
  }
  return tenths;
}

std::pair<int, int> AlternatingTenths(double target, const RatioRule& rule) {
  std::pair<int, int> best = {kDenseTenths, kDenseTenths};
  double nearest = 2;
  for (int apart = 2; apart >= 0; --apart) {
    for (int low = rule.floor_tenths; low + apart <= kDenseTenths; ++low) {
      const double distance = std::fabs(MeanRetention({low + apart, low}, rule, RatioAccounting::kExecuted) - target);
      if (distance < nearest - 1e-9) nearest = distance, best = {low + apart, low};
    }
  }
  return best;
}

absl::StatusOr<std::vector<RetentionTenths>> BudgetNames(const std::vector<double>& targets) {
  if (targets.empty()) return WrongUsageError("--target: must name at least one share of tokens");
  std::vector<RetentionTenths> names;
  for (const double target : targets) {
    if (!(target >= 0.1 && target <= 1)) {
      return WrongUsageError(absl::StrCat("--target ", target, ": must be from 0.1 to 1"));
    }
    // Below 1 a budget is routed, whatever it is rounded to.
    const int name = target < 1 ? std::min(NearestTenths(target + 0.1 * kOnABin), kDenseTenths - 1) : kDenseTenths;
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return WrongUsageError(absl::StrCat("--target ", target, ": another target is served as budget ", name / 10, ".",
                                          name % 10, ", too"));
    }
    names.push_back(name);
  }
  return names;
}

absl::StatusOr<std::vector<double>> ParseNumbers(std::string_view text) {
  std::vector<double> numbers;
  for (const absl::string_view part : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    double number = 0;
    if (!absl::SimpleAtod(part, &number) || !std::isfinite(number)) {
      return absl::InvalidArgumentError("must be numbers with commas between them");
    }
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace videodiffcr::training
