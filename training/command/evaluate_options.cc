#include "training/command/evaluate_options.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "command_line/flag_reader.h"

namespace videodiffcr::training {
namespace {

void AddChoiceFlags(EvaluateOptions* options, FlagParser* flags) {
  flags->AddFlag("clips", "N", "clips per condition; 0: none (64)", SetInteger(0, 1'000'000, &options->clips));
  flags->AddFlag("conditions", "LIST",
                 "what to judge, at every budget: short (four chunks), long (the last four of many), switch (under a "
                 "new prompt), held-out (pairs of shape and colour that training never shows), drift (40 chunks of "
                 "captions that leave size, colour or background open) (short,long,switch,held-out)",
                 SetString(&options->conditions));
  flags->AddFlag("budgets", "LIST", "retention budgets in tenths; by default all of the model",
                 ReadIntegerList(&options->budgets).read);
  flags->AddFlag("only", "TEXT", "only conditions, and sheets of budgets, whose name contains TEXT",
                 SetString(&options->only));
  flags->AddFlag("long-chunks", "K", "length of the long videos, in chunks (24)",
                 SetInteger(5, 100'000, &options->long_chunks));
  flags->AddFlag("baselines", "YES", "with --plain: budgets by random scores and by the oracle too: yes or no (no)",
                 SetYesNo(&options->baselines));
  flags->AddFlag("proxies", "YES",
                 "also measure video quality (consistency, flicker, smoothness, motion, sharpness) and give the total "
                 "by VBench's formula: yes or no (no)",
                 SetYesNo(&options->proxies));
  flags->AddFlag("bounds", "FILE",
                 "what counts as 0 and 1 in that total; by default quality_bounds.csv of the model's folder",
                 SetString(&options->bounds));
  flags->AddFlag("reconstructions", "N", "held-out clips for the autoencoder; 0: none (64)",
                 SetInteger(0, 1'000'000, &options->reconstructions));
  flags->AddFlag("two-objects", "N", "clips of two objects, judged by colour; 0: none (0)",
                 SetInteger(0, 1'000'000, &options->two_objects));
}

void AddOutputFlags(EvaluateOptions* options, FlagParser* flags) {
  flags->AddFlag("csv", "FILE", "also write the table here as CSV", SetString(&options->csv));
  flags->AddFlag("per-clip", "FILE", "also write a line per clip here: what compare and tools/make_results.py read",
                 SetString(&options->per_clip));
  flags->AddFlag("method", "NAME", "with --per-clip: what tables call the model; by default its folder's name",
                 SetString(&options->method));
  flags->AddFlag("training-seed", "LABEL", "with --per-clip: tells models apart that differ in their seed alone (0)",
                 SetString(&options->training_seed));
  flags->AddFlag("write-bounds", "FILE",
                 "judge no model: write what the model without the second half of its blocks and real renders get, as "
                 "the 0 and 1 of the total. Needs --plain",
                 SetString(&options->write_bounds));
  flags->AddFlag("sheets", "FOLDER", "also write one contact sheet per budget here, of the model's example prompts",
                 SetString(&options->sheets));
}

}  // namespace

FlagParser EvaluateFlags(EvaluateOptions* options) {
  FlagParser parser;
  FlagParser* flags = &parser;
  flags->AddFlag("model", "FOLDER", "model folder to judge (models/tiny)", SetString(&options->model));
  flags->AddFlag("classifier", "FILE",
                 "classifier that reads the clips; by default classifier.safetensors of the model's folder",
                 SetString(&options->classifier));
  AddChoiceFlags(options, flags);
  flags->AddFlag("seed", "N", "prompts, noise and scenes follow from it (1)", SetUnsigned(&options->seed));
  AddOutputFlags(options, flags);
  flags->AddFlag("plain", "DEVICE", "make clips on the plain path instead of the served one, on cpu or cuda",
                 SetString(&options->plain));
  flags->AddFlag("threads", "N", "processor threads; 0: one per processor (0)", SetInteger(0, 1024, &options->threads));
  return parser;
}

absl::Status CheckEvaluateFlags(const EvaluateOptions& options) {
  if (options.baselines && options.plain.empty()) {
    return absl::InvalidArgumentError("--baselines yes: needs --plain cpu or --plain cuda; serving knows routers only");
  }
  if (!options.write_bounds.empty() && options.plain.empty()) {
    return absl::InvalidArgumentError("--write-bounds: needs --plain cpu or --plain cuda");
  }
  for (const auto& [flag, value] :
       {std::pair{"--method", options.method}, {"--training-seed", options.training_seed}}) {
    if (absl::StrContains(value, ',')) {
      return absl::InvalidArgumentError(absl::StrCat(flag, " '", value, "': must be without commas"));
    }
  }
  const auto kinds = ParseKinds(options.conditions);
  return kinds.ok() ? absl::OkStatus()
                    : absl::InvalidArgumentError(absl::StrCat("--conditions ", kinds.status().message()));
}

std::string MethodOf(const EvaluateOptions& options) {
  if (!options.method.empty()) return options.method;
  const std::filesystem::path folder = std::filesystem::path(options.model + "/").lexically_normal().parent_path();
  return absl::StrReplaceAll(folder.filename().string(), {{",", "_"}});
}

std::string CommandOf(const EvaluateOptions& options) {
  std::string command = absl::StrCat("videodiffcr-train evaluate --model ", options.model, " --clips ", options.clips,
                                     " --seed ", options.seed, " --conditions ", options.conditions);
  const auto add = [&command](bool said, const std::string& flag, const std::string& value) {
    if (said) absl::StrAppend(&command, " --", flag, " ", value);
  };
  add(!options.plain.empty(), "plain", options.plain);
  add(!options.classifier.empty(), "classifier", options.classifier);
  add(!options.budgets.empty(), "budgets", absl::StrJoin(options.budgets, ","));
  add(!options.only.empty(), "only", absl::StrCat("'", options.only, "'"));
  add(options.long_chunks != EvaluateOptions().long_chunks, "long-chunks", absl::StrCat(options.long_chunks));
  add(options.baselines, "baselines", "yes");
  add(options.proxies, "proxies", "yes");
  add(true, "method", MethodOf(options));
  add(true, "training-seed", options.training_seed);
  add(!options.write_bounds.empty(), "write-bounds", options.write_bounds);
  add(!options.per_clip.empty(), "per-clip", options.per_clip);
  return command;
}

absl::StatusOr<std::vector<EvaluationCondition>> ConditionsOf(const EvaluateOptions& options,
                                                              const std::vector<RetentionTenths>& budgets) {
  const auto kinds = ParseKinds(options.conditions);
  if (!kinds.ok()) return kinds.status();
  ConditionChoice choice = {*kinds, budgets};
  choice.long_chunks = options.long_chunks;
  if (options.baselines) {
    choice.rankings = {TokenRanking::kRouter, TokenRanking::kRandom, TokenRanking::kUpdateNorm};
  }
  if (!options.budgets.empty()) choice.budgets.clear();
  for (const int budget : options.budgets) {
    if (std::find(budgets.begin(), budgets.end(), budget) == budgets.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--budgets ", budget, ": the model has ", absl::StrJoin(budgets, ", "), " (tenths)"));
    }
    choice.budgets.push_back(budget);
  }
  std::vector<EvaluationCondition> conditions;
  std::vector<std::string> names;
  for (EvaluationCondition& condition : MakeConditions(choice)) {
    names.push_back(condition.name);
    if (absl::StrContains(condition.name, options.only)) conditions.push_back(std::move(condition));
  }
  if (conditions.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--only '", options.only, "': no such condition; there are ", absl::StrJoin(names, ", ")));
  }
  return conditions;
}

}  // namespace videodiffcr::training
