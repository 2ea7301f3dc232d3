#include "training/command/compare_command.h"

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "command_line/flag_reader.h"
#include "command_line/program.h"
#include "system/whole_file.h"
#include "system/wrong_usage.h"
#include "training/evaluation/clip_comparison.h"

namespace videodiffcr::training {
namespace {

struct CompareOptions {
  std::vector<std::string> files;
  std::string reference;  // name of a row; empty: the first of each condition
  std::string column = "all";
  std::string csv;
  double margin = 0.01;
  int64_t replicates = 2000;
  uint64_t seed = 1;
};

void AddFlags(CompareOptions* options, Command* command) {
  std::vector<std::string> columns;
  columns.reserve(kClipColumnCount);
  for (int column = 0; column < kClipColumnCount; ++column) columns.push_back(ColumnName(column));
  command->AddWords({"FILE", "FILE", "Per-clip files of videodiffcr-train evaluate; one may hold many rows.",
                     "dense.clips.csv ours.clips.csv"},
                    &options->files);
  command->AddFlag(
      {"reference", "ROW",
       "What the others are compared with, as 'METHOD, dense' or 'METHOD, retention 0.7, router'; by default "
       "the first row of each condition.",
       "'tiny, retention 0.7, router'"},
      ReadString(&options->reference));
  command->AddFlag({"column", "NAME", "What is compared.", "frechet"}, ReadChoice(columns, &options->column));
  command->AddFlag({"margin", "X", "How much worse is not inferior, in the unit of the column.", "0.01"},
                   ReadDouble(0, 1e9, &options->margin));
  command->AddFlag({"replicates", "N", "Bootstrap samples.", "10000"},
                   ReadInteger(20, 1'000'000, &options->replicates));
  command->AddFlag({"seed", "N", "Of the bootstrap.", "7"}, ReadUnsigned(&options->seed));
  command->AddFlag({"csv", "FILE", "Also write the table here as CSV.", "differences.csv"}, ReadString(&options->csv));
}

absl::StatusOr<std::vector<MethodClips>> ReadAll(const std::vector<std::string>& files) {
  std::vector<JudgedClips> all;
  for (const std::string& file : files) {
    absl::StatusOr<std::vector<JudgedClips>> judged = ReadClipFile(file);
    if (!judged.ok()) return judged.status();
    for (JudgedClips& one : *judged) all.push_back(std::move(one));
  }
  return GroupByMethod(all);
}

// The row of a condition that the others are compared with.
const MethodClips* FindReference(const std::vector<MethodClips>& methods, const std::string& condition,
                                 const std::string& name) {
  for (const MethodClips& method : methods) {
    if (method.condition == condition && (name.empty() || method.name() == name)) return &method;
  }
  return nullptr;
}

absl::Status CheckReference(const std::vector<MethodClips>& methods, const std::string& name) {
  std::vector<std::string> names;
  for (const MethodClips& method : methods) {
    if (name.empty() || method.name() == name) return absl::OkStatus();
    names.push_back(absl::StrCat("'", method.name(), "'"));
  }
  return WrongUsageError(absl::StrCat("--reference '", name, "': no such row; there are ", absl::StrJoin(names, "; ")));
}

absl::Status RunCompare(const CompareOptions& options) {
  const absl::StatusOr<std::vector<MethodClips>> methods = ReadAll(options.files);
  if (!methods.ok()) return methods.status();
  if (absl::Status known = CheckReference(*methods, options.reference); !known.ok()) return known;
  ComparisonOptions comparison;
  while (ColumnName(comparison.column) != options.column)
    comparison.column = (comparison.column + 1) % kClipColumnCount;
  comparison.margin = options.margin;
  comparison.bootstrap = {options.replicates, options.seed};
  std::vector<Comparison> rows;
  for (const MethodClips& method : *methods) {
    const MethodClips* reference = FindReference(*methods, method.condition, options.reference);
    if (reference == nullptr || reference == &method) continue;
    absl::StatusOr<Comparison> row = Compare(*reference, method, comparison);
    if (!row.ok()) return row.status();
    rows.push_back(*std::move(row));
  }
  if (rows.empty()) return WrongUsageError("there is one row only: nothing to compare it with");
  if (absl::Status written = WriteText(FormatComparisons(rows, comparison), std::cout); !written.ok()) return written;
  if (options.csv.empty()) return absl::OkStatus();
  const absl::Status written = WriteWholeFile(options.csv, FormatComparisonsCsv(rows, comparison));
  return absl::Status(written.code(), absl::StrCat("--csv: ", written.message()));
}

}  // namespace

Subcommand CompareSubcommand() {
  CommandText text = {
      "compare", "says how far judged models are apart, and how sure that is",
      "Reads the per-clip files of evaluate and compares each row with a reference on the same prompts and noise: the "
      "difference, its 95 % interval by a paired bootstrap over training seeds and clips, and whether it is not "
      "inferior "
      "by more than a margin (one-sided, 95 %). Rows of several files that differ in their training seed alone are "
      "one.",
      "videodiffcr-train compare dense.clips.csv ours-1.clips.csv ours-2.clips.csv --margin 0.01"};
  const auto add = [](Command* command) {
    const auto options = std::make_shared<CompareOptions>();
    AddFlags(options.get(), command);
    return [options] { return RunCompare(*options); };
  };
  return {std::move(text), add};
}

}  // namespace videodiffcr::training
