#include "training/evaluation/clip_record.h"

#include <cmath>
#include <cstdint>
#include <sstream>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "system/regular_file.h"

namespace videodiffcr::training {
namespace {

constexpr double kMillion = 1e6;
constexpr int64_t kMaxFileBytes = int64_t{1} << 30;  // a clip takes a few hundred

const std::vector<std::string>& ColumnNames() {
  static const auto* const names = [] {
    auto* columns = new std::vector<std::string>;
    for (int i = 0; i < kAttributeCount; ++i) {
      columns->push_back(absl::StrReplaceAll(AttributeName(static_cast<Attribute>(i)), {{" ", "_"}}));
    }
    for (const char* name :
         {"all", "frechet", "subject_consistency", "background_consistency", "temporal_flickering", "motion_smoothness",
          "dynamic_degree", "imaging_quality", "flipped", "identity_distance", "hue_shift", "area_change"}) {
      columns->emplace_back(name);
    }
    return columns;
  }();
  return *names;
}

// The columns before a clip's values, in the file's order.
const std::vector<std::string>& GroupColumns() {
  static const auto* const names =
      new std::vector<std::string>{"method", "training_seed",      "condition", "budget",
                                   "scores", "evaluation_seed",    "executed",  "executed_with_context",
                                   "mmacs",  "mmacs_with_context", "clip",      "prompt"};
  return *names;
}

std::string HeaderLine() { return absl::StrJoin(GroupColumns(), ",") + "," + absl::StrJoin(ColumnNames(), ","); }

std::string FormatPrompt(const AttributeValues& prompted) {
  std::string text;
  for (const int value : prompted) text += value < 0 ? '-' : static_cast<char>('0' + value);
  return text;
}

absl::Status ParsePrompt(const std::string& text, AttributeValues* prompted) {
  bool good = text.size() == kAttributeCount;
  for (size_t i = 0; good && i < text.size(); ++i) {
    (*prompted)[i] = text[i] == '-' ? -1 : text[i] - '0';
    good = text[i] == '-' || ((*prompted)[i] >= 0 && (*prompted)[i] < ValueCount(static_cast<Attribute>(i)));
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("prompt '", text, "': must be seven values of attributes"));
}

// One line, taken apart.
struct Fields {
  std::vector<std::string> text;

  absl::Status Number(size_t column, double* out) const {
    if (absl::SimpleAtod(text[column], out) && std::isfinite(*out)) return absl::OkStatus();
    const std::string& name =
        column < GroupColumns().size() ? GroupColumns()[column] : ColumnNames()[column - GroupColumns().size()];
    return absl::InvalidArgumentError(absl::StrCat(name, " '", text[column], "': must be a number"));
  }
};

absl::Status ParseGroup(const Fields& fields, ClipGroup* group) {
  double budget = 0, megas = 0, megas_with_context = 0;
  for (const auto& [column, out] : {std::pair{size_t{3}, &budget},
                                    {size_t{6}, &group->cost.executed},
                                    {size_t{7}, &group->cost.executed_with_context},
                                    {size_t{8}, &megas},
                                    {size_t{9}, &megas_with_context}}) {
    if (absl::Status number = fields.Number(column, out); !number.ok()) return number;
  }
  if (!absl::SimpleAtoi(fields.text[5], &group->evaluation_seed)) {
    return absl::InvalidArgumentError(absl::StrCat("evaluation_seed '", fields.text[5], "': must be a whole number"));
  }
  group->method = fields.text[0];
  group->training_seed = fields.text[1];
  group->condition = fields.text[2];
  group->budget = static_cast<int>(budget);
  group->scores = fields.text[4];
  group->cost.multiply_adds = megas * kMillion;
  group->cost.multiply_adds_with_context = megas_with_context * kMillion;
  return absl::OkStatus();
}

absl::Status ParseClip(const Fields& fields, ClipRecord* record) {
  if (!absl::SimpleAtoi(fields.text[10], &record->clip) || record->clip < 0) {
    return absl::InvalidArgumentError(absl::StrCat("clip '", fields.text[10], "': must be a whole number from 0 on"));
  }
  if (absl::Status prompt = ParsePrompt(fields.text[11], &record->prompted); !prompt.ok()) return prompt;
  for (size_t i = 0; i < kClipColumnCount; ++i) {
    const size_t column = GroupColumns().size() + i;
    if (fields.text[column].empty()) continue;
    if (absl::Status number = fields.Number(column, &record->values[i]); !number.ok()) return number;
  }
  return absl::OkStatus();
}

absl::Status ParseLine(const std::string& line, std::vector<JudgedClips>* judged) {
  const Fields fields = {absl::StrSplit(line, ',')};
  const size_t expected = GroupColumns().size() + kClipColumnCount;
  if (fields.text.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat(fields.text.size(), " fields; must be ", expected));
  }
  ClipGroup group;
  ClipRecord record;
  if (absl::Status parsed = ParseGroup(fields, &group); !parsed.ok()) return parsed;
  if (absl::Status parsed = ParseClip(fields, &record); !parsed.ok()) return parsed;
  const auto same = [&group](const JudgedClips& other) {
    return std::tie(other.group.method, other.group.training_seed, other.group.condition, other.group.budget,
                    other.group.scores) ==
           std::tie(group.method, group.training_seed, group.condition, group.budget, group.scores);
  };
  if (judged->empty() || !same(judged->back())) judged->push_back({group, {}});
  judged->back().clips.push_back(record);
  return absl::OkStatus();
}

}  // namespace

const std::string& ColumnName(int column) { return ColumnNames()[static_cast<size_t>(column)]; }

bool MoreIsBetter(int column) { return column != kFrechet && column < kFlipped; }

std::string ClipFileHeader(const std::string& command) { return absl::StrCat("# ", command, "\n", HeaderLine(), "\n"); }

std::string FormatClips(const JudgedClips& judged) {
  const ClipGroup& group = judged.group;
  const std::string common = absl::StrFormat(
      "%s,%s,%s,%d,%s,%d,%.4f,%.4f,%.2f,%.2f", group.method, group.training_seed, group.condition, group.budget,
      group.scores, group.evaluation_seed, group.cost.executed, group.cost.executed_with_context,
      group.cost.multiply_adds / kMillion, group.cost.multiply_adds_with_context / kMillion);
  std::string out;
  for (const ClipRecord& record : judged.clips) {
    absl::StrAppend(&out, common, ",", record.clip, ",", FormatPrompt(record.prompted));
    for (const double value : record.values) {
      absl::StrAppend(&out, ",", std::isnan(value) ? "" : absl::StrFormat("%.3g", value));
    }
    absl::StrAppend(&out, "\n");
  }
  return out;
}

absl::StatusOr<std::vector<JudgedClips>> ReadClipFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxFileBytes);
  if (!text.ok()) return text.status();
  std::istringstream file(*text);
  std::vector<JudgedClips> judged;
  std::string line;
  bool named = false;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    if (line == HeaderLine()) {  // once more where several judgements stand behind each other
      named = true;
      continue;
    }
    if (!named) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": not a per-clip file: its columns must be ", HeaderLine()));
    }
    if (absl::Status parsed = ParseLine(line, &judged); !parsed.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": ", parsed.message()));
    }
  }
  if (judged.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": no clips in it"));
  return judged;
}

}  // namespace videodiffcr::training
