#include "client/load/load_result.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "system/bounded_json.h"
#include "system/regular_file.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMaxFiguresBytes = 1 << 20;
constexpr int kMaxFiguresDepth = 8;
constexpr double kGoodRatio = 0.99;
constexpr double kBudgetStep = 0.05;  // tenths arrive as doubles

// Nearest rank; 0 of nothing.
double Quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(std::max<size_t>(rank, 1) - 1);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

struct Sums {
  std::vector<double> first_frames_ms, first_ms, interval_ms, overhead_ms, slack_ms, refusal_ms;
  double chunks = 0, with_deadline = 0, misses = 0, below_floor = 0, lowered = 0, nominal = 0;
  double finished = 0, refused = 0, killed = 0, failed = 0, good = 0, missing = 0;
  double resumes = 0, damaged = 0, verified = 0, changed = 0, least_ratio = 1;
};

void AddChunks(const ViewerOutcome& outcome, Sums* sums) {
  if (!outcome.chunks.empty()) sums->first_frames_ms.push_back(absl::ToDoubleMilliseconds(outcome.first_frames));
  for (const ChunkSample& chunk : outcome.chunks) {
    ++sums->chunks;
    (chunk.first ? sums->first_ms : sums->interval_ms).push_back(absl::ToDoubleMilliseconds(chunk.since_last));
    sums->overhead_ms.push_back(absl::ToDoubleMilliseconds(chunk.overhead));
    sums->nominal += chunk.nominal;
    sums->below_floor += chunk.nominal < outcome.floor - kBudgetStep ? 1 : 0;
    sums->lowered += chunk.nominal < outcome.target - kBudgetStep ? 1 : 0;
    if (!chunk.has_deadline) continue;
    ++sums->with_deadline;
    sums->slack_ms.push_back(absl::ToDoubleMilliseconds(chunk.slack));
    sums->misses += chunk.slack < absl::ZeroDuration() ? 1 : 0;
  }
}

double MissingChunks(const ViewerOutcome& outcome) {
  return static_cast<double>(outcome.expected_chunks - static_cast<int64_t>(outcome.chunks.size()));
}

Sums SumUp(const std::vector<ViewerOutcome>& outcomes) {
  Sums sums;
  for (const ViewerOutcome& outcome : outcomes) {
    AddChunks(outcome, &sums);
    sums.resumes += static_cast<double>(outcome.resumes);
    sums.damaged += static_cast<double>(outcome.damaged);
    sums.verified += static_cast<double>(outcome.verified);
    sums.changed += static_cast<double>(outcome.changed);
    switch (outcome.end) {
      case ViewerEnd::kFinished:
        ++sums.finished;
        sums.good += ContinuousPlayRatio(outcome) >= kGoodRatio ? 1 : 0;
        sums.least_ratio = std::min(sums.least_ratio, ContinuousPlayRatio(outcome));
        sums.missing += MissingChunks(outcome);
        break;
      case ViewerEnd::kRefused:
        ++sums.refused;
        sums.refusal_ms.push_back(absl::ToDoubleMilliseconds(outcome.lasted));
        break;
      case ViewerEnd::kKilled:
        ++sums.killed;
        break;
      case ViewerEnd::kFailed:
        ++sums.failed;
        sums.missing += MissingChunks(outcome);
        break;
    }
  }
  return sums;
}

double Share(double part, double whole, double of_nothing) { return whole == 0 ? of_nothing : part / whole; }

}  // namespace

double ContinuousPlayRatio(const ViewerOutcome& outcome) {
  int64_t with_deadline = 0, misses = 0;
  for (const ChunkSample& chunk : outcome.chunks) {
    with_deadline += chunk.has_deadline ? 1 : 0;
    misses += chunk.has_deadline && chunk.slack < absl::ZeroDuration() ? 1 : 0;
  }
  return with_deadline == 0 ? 1 : 1 - static_cast<double>(misses) / static_cast<double>(with_deadline);
}

std::map<std::string, double> FiguresOf(const std::vector<ViewerOutcome>& outcomes) {
  const Sums sums = SumUp(outcomes);
  return {
      {"sessions", static_cast<double>(outcomes.size())},
      {"finished", sums.finished},
      {"refused", sums.refused},
      {"killed", sums.killed},
      {"failed", sums.failed},
      {"goodput", Share(sums.good, sums.finished, 0)},
      {"chunks", sums.chunks},
      {"timed_chunks", sums.with_deadline},
      {"misses", sums.misses},
      {"cpr", 1 - Share(sums.misses, sums.with_deadline, 0)},
      {"least_cpr", sums.least_ratio},
      {"first_frames_p50_ms", Quantile(sums.first_frames_ms, 0.5)},
      {"first_frames_p99_ms", Quantile(sums.first_frames_ms, 0.99)},
      {"first_chunk_p50_ms", Quantile(sums.first_ms, 0.5)},
      {"first_chunk_p99_ms", Quantile(sums.first_ms, 0.99)},
      {"interval_p50_ms", Quantile(sums.interval_ms, 0.5)},
      {"interval_p99_ms", Quantile(sums.interval_ms, 0.99)},
      {"overhead_p50_ms", Quantile(sums.overhead_ms, 0.5)},
      {"overhead_p99_ms", Quantile(sums.overhead_ms, 0.99)},
      {"slack_p1_ms", Quantile(sums.slack_ms, 0.01)},
      {"slack_p50_ms", Quantile(sums.slack_ms, 0.5)},
      {"refusal_p99_ms", Quantile(sums.refusal_ms, 0.99)},
      {"mean_budget", Share(sums.nominal, sums.chunks, 1)},
      {"lowered_chunks", sums.lowered},
      {"floor_crossed", sums.below_floor},
      {"resumes", sums.resumes},
      {"lost", sums.missing},
      {"damaged", sums.damaged},
      {"verified", sums.verified},
      {"changed", sums.changed},
  };
}

std::string FigureBehind(const std::string& figure) {
  static const auto* const behind = new std::map<std::string, std::string>{
      {"cpr", "timed_chunks"},
      {"least_cpr", "timed_chunks"},
      {"misses", "timed_chunks"},
      {"slack_p1_ms", "timed_chunks"},
      {"slack_p50_ms", "timed_chunks"},
      {"goodput", "finished"},
      {"first_frames_p50_ms", "chunks"},
      {"first_frames_p99_ms", "chunks"},
      {"first_chunk_p50_ms", "chunks"},
      {"first_chunk_p99_ms", "chunks"},
      {"interval_p50_ms", "chunks"},
      {"interval_p99_ms", "chunks"},
      {"overhead_p50_ms", "chunks"},
      {"overhead_p99_ms", "chunks"},
      {"mean_budget", "chunks"},
      {"lowered_chunks", "chunks"},
      {"floor_crossed", "chunks"},
      {"damaged", "chunks"},
      {"lost", "sessions"},
      {"failed", "sessions"},
      {"changed", "verified"},
      {"refusal_p99_ms", "refused"},
  };
  const auto found = behind->find(figure);
  return found == behind->end() ? "" : found->second;
}

std::string FigureTable(const std::map<std::string, double>& figures, const std::map<std::string, double>* before) {
  std::string table;
  for (const auto& [name, value] : figures) {
    absl::StrAppendFormat(&table, "  %-20s %12.4g", name, value);
    if (before != nullptr) {
      const auto then = before->find(name);
      if (then == before->end()) {
        absl::StrAppend(&table, "  (not there before)");
      } else {
        absl::StrAppendFormat(&table, "  before %12.4g", then->second);
        if (then->second != 0) absl::StrAppendFormat(&table, "  %+7.1f %%", 100 * (value / then->second - 1));
      }
    }
    table += "\n";
  }
  return table;
}

std::string FiguresToJson(const std::map<std::string, double>& figures,
                          const std::map<std::string, std::string>& about) {
  return nlohmann::json({{"about", about}, {"figures", figures}}).dump(2) + "\n";
}

absl::StatusOr<std::map<std::string, double>> ReadFigures(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxFiguresBytes);
  if (!text.ok()) return text.status();
  const absl::StatusOr<nlohmann::json> parsed = ParseBoundedJson(*text, kMaxFiguresDepth);
  const absl::Status wrong = absl::InvalidArgumentError(absl::StrCat(path, " is not what --json writes"));
  if (!parsed.ok()) return wrong;
  const nlohmann::json& json = *parsed;
  if (!json.is_object() || !json.contains("figures") || !json["figures"].is_object()) return wrong;
  std::map<std::string, double> figures;
  for (const auto& [name, value] : json["figures"].items()) {
    if (!value.is_number()) return wrong;
    figures[name] = value.get<double>();
  }
  return figures;
}

}  // namespace videodiffcr
