// The arithmetic of learned retention ratios: from a real number per layer to bins of a tenth, and to the table that is
// served (videodiffcr.md sections 5.1, 5.2 and 6). Pure.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_LEARNED_RATIOS_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_LEARNED_RATIOS_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "model/api/model_info.h"
#include "model/config/retention_table.h"

namespace videodiffcr::training {

// What stays the same for all ratios of a model.
struct RatioRule {
  std::vector<int> step_delta_tenths;  // noisiest step first
  int floor_tenths = 1;
};

// Where r = clamp(rho + delta, floor, 1) lies: between two bins, of which the upper one weighs `weight` and the lower
// one 1 - weight. The interval is half-open: on a bin, that bin is the upper one and weighs 1.
struct RatioBins {
  int lower_tenths = 0, upper_tenths = 0;
  double weight = 1;  // in [0, 1]
  double slope = 10;  // of the weight by rho; 0 beyond the clamp
};
RatioBins BinsOf(double rho, int delta_tenths, int floor_tenths);

// What a mean over ratios is taken of.
enum class RatioAccounting {
  kNominal,   // the ratios themselves, as the paper's budgets
  kExecuted,  // what the steps execute: clamp(rho + delta, floor, 1) over layers and steps
};

// Mean over layers and steps of what a table of these layers executes, or of the layers themselves.
double MeanRetention(const std::vector<int>& layer_tenths, const RatioRule& rule, RatioAccounting accounting);

// The layers' tenths that make `table` by `rule`; nothing when there are none.
std::optional<std::vector<int>> LayerTenthsOf(const RetentionTable& table, const RatioRule& rule);

// The nearest tenth of every ratio, at least the rule's floor.
std::vector<int> NearestTenthsOf(const std::vector<double>& ratios, const RatioRule& rule);

// Of the tables whose mean is as near to `target` as tenths allow, the one nearest to the ratios by the sum of squares:
// layers whose ratio was nearest to being rounded the other way move first.
std::vector<int> ProjectRatios(const std::vector<double>& ratios, double target, const RatioRule& rule,
                               RatioAccounting accounting);

// Ratios for even and for odd layers, in tenths, whose table executes the share nearest to `target`: the first at most
// two tenths above the second, and of equally near ones the pair furthest apart. What VideoDiffCR starts from.
std::pair<int, int> AlternatingTenths(double target, const RatioRule& rule);

// The names of budgets: the nearest tenth, from 1 to 10. InvalidArgument naming the target when there is none, when two
// have the same name, and when one is not in [0.1, 1].
absl::StatusOr<std::vector<RetentionTenths>> BudgetNames(const std::vector<double>& targets);

// "0.9,0.7" -> numbers. InvalidArgument says what it must be.
absl::StatusOr<std::vector<double>> ParseNumbers(std::string_view text);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_LEARNED_RATIOS_H_
