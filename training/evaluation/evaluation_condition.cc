#include "training/evaluation/evaluation_condition.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "training/scenes/caption.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kJudgedChunks = 4;  // 45 frames from a video's start, 48 later
constexpr int64_t kSwitchChunk = 3, kSwitchChunks = 8, kDriftChunks = 40;

const std::array<std::string, 5>& KindNames() {
  static const auto* const names = new std::array<std::string, 5>{"short", "long", "switch", "held-out", "drift"};
  return *names;
}

AttributeValues DrawAttributes(bool held_out_pairs, RandomStream& random) {
  AttributeValues values;
  for (int i = 0; i < kAttributeCount; ++i) values[i] = random.Below(ValueCount(static_cast<Attribute>(i)));
  if (held_out_pairs) {
    while (!IsHeldOutPair(values[kShape], values[kColor])) values[kColor] = (values[kColor] + 1) % ValueCount(kColor);
  }
  return values;
}

std::string Caption(const AttributeValues& values, const CaptionOptions& options, RandomStream& random) {
  return MakeCaption(MakeScene(values, random).segments[0], options, random);
}

// Size, colour and background in turn.
void LeaveOneOpen(uint64_t index, EvaluationClip& clip, CaptionOptions& caption) {
  switch (index % 3) {
    case 0:
      caption.say_size = false;
      clip.prompted[kSize] = kNotSaid;
      break;
    case 1:
      caption.say_color = false;
      clip.prompted[kColor] = kNotSaid;
      break;
    default:
      caption.say_background = false;
      clip.prompted[kBackgroundColor] = clip.prompted[kTexture] = kNotSaid;
  }
}

EvaluationCondition MakeCondition(ConditionKind kind, RetentionTenths budget, TokenRanking ranking,
                                  int64_t long_chunks) {
  EvaluationCondition condition;
  condition.kind = kind;
  condition.budget = budget;
  condition.ranking = ranking;
  std::vector<std::string> parts;
  if (kind == ConditionKind::kLong) {
    condition.chunks = long_chunks;
    parts.push_back(absl::StrCat("after ", long_chunks, " chunks"));
  } else if (kind == ConditionKind::kSwitch) {
    condition.chunks = kSwitchChunks;
    condition.switch_chunk = kSwitchChunk;
    parts.emplace_back("prompt switch");
  } else if (kind == ConditionKind::kHeldOut) {
    condition.held_out_pairs = true;
    parts.emplace_back("held-out pairs");
  } else if (kind == ConditionKind::kDrift) {
    condition.chunks = kDriftChunks;
    parts.emplace_back("drift");
  }
  if (budget != kDenseTenths || kind == ConditionKind::kShort) parts.push_back(BudgetName(budget));
  if (ranking != TokenRanking::kRouter) parts.emplace_back(RankingName(ranking));
  condition.name = absl::StrJoin(parts, ", ");
  return condition;
}

}  // namespace

const std::string& KindName(ConditionKind kind) { return KindNames()[static_cast<size_t>(kind)]; }

absl::StatusOr<std::vector<ConditionKind>> ParseKinds(const std::string& names) {
  std::vector<ConditionKind> kinds;
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(names, ','))) {
    const auto found = std::find(KindNames().begin(), KindNames().end(), name);
    if (found == KindNames().end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", name, "': no such condition; there are ", absl::StrJoin(KindNames(), ", ")));
    }
    kinds.push_back(static_cast<ConditionKind>(found - KindNames().begin()));
  }
  return kinds;
}

std::string BudgetName(RetentionTenths budget) {
  return budget == kDenseTenths ? "dense" : absl::StrFormat("retention %.1f", budget / 10.0);
}

std::vector<EvaluationCondition> MakeConditions(const ConditionChoice& choice) {
  std::vector<EvaluationCondition> conditions;
  for (const ConditionKind kind : choice.kinds) {
    for (const TokenRanking ranking : choice.rankings) {
      for (const RetentionTenths budget : choice.budgets) {
        if (budget == kDenseTenths && ranking != choice.rankings.front()) continue;
        const TokenRanking used = budget == kDenseTenths ? TokenRanking::kRouter : ranking;
        conditions.push_back(MakeCondition(kind, budget, used, choice.long_chunks));
      }
    }
  }
  return conditions;
}

EvaluationClip MakeEvaluationClip(const EvaluationCondition& condition, uint64_t seed, uint64_t index) {
  RandomStream random(seed, DrawPurpose::kEvaluation, index);
  EvaluationClip clip;
  clip.request.seed = random.Bits64();
  clip.request.budget = condition.budget;
  clip.request.chunks = condition.chunks;
  clip.request.first_kept_chunk = std::max<int64_t>(0, condition.chunks - kJudgedChunks);
  clip.prompted = clip.drawn = DrawAttributes(condition.held_out_pairs, random);
  CaptionOptions caption = kCompleteCaption;
  if (condition.kind == ConditionKind::kDrift) {
    LeaveOneOpen(index, clip, caption);
    clip.request.first_kept_chunk = 0;
  }
  clip.request.prompts[0] = Caption(clip.drawn, caption, random);
  if (condition.switch_chunk > 0) {
    const AttributeValues fresh = DrawAttributes(condition.held_out_pairs, random);
    for (int i = 0; i < kAttributeCount; ++i) {
      if (random.Chance(0.4)) clip.prompted[i] = clip.drawn[i] = fresh[i];  // as training's switches
    }
    clip.request.prompts[condition.switch_chunk] = Caption(clip.prompted, caption, random);
  }
  return clip;
}

}  // namespace videodiffcr::training
