#include "training/command/evaluate_options.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "command_line/flag_reader.h"
#include "system/wrong_usage.h"
#include "training/command/given_flags.h"

namespace videodiffcr::training {
namespace {

// "cache 0.50 by router"; empty unless flags say it.
std::string CacheName(const EvaluateOptions& options) {
  if (options.cache_retention == 0) return "";
  return absl::StrFormat("cache %.2f by %s", PercentOfShare(options.cache_retention) / 100.0, options.cache_score);
}

// As a shell reads it back as one word.
std::string ShellWord(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || absl::StrContains("-_./,:=+@%", c);
  });
  return plain ? text : absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// As short as it goes for the same number.
std::string NumberText(double number) {
  const std::string text = absl::StrCat(number);
  double back = 0;
  return absl::SimpleAtod(text, &back) && back == number ? text : absl::StrFormat("%.17g", number);
}

void AddChoiceFlags(EvaluateOptions* options, Command* command) {
  command->AddFlag({"clips", "N", "Clips per condition; 0: none.", "2048"}, ReadInteger(0, 1'000'000, &options->clips));
  command->AddFlag(
      {"conditions", "LIST",
       "What to judge, at every budget: short (four chunks), long (the last four of many), switch (under a "
       "new prompt), held-out (pairs of shape and colour that training never shows), drift (40 chunks of "
       "captions that leave size, colour or background open).",
       "short,drift"},
      ReadString(&options->conditions));
  command->AddFlag({"budgets", "SHARES", "Retention budgets; by default all of the model.", "1,0.7"},
                   ReadBudgets(&options->budgets));
  command->AddFlag({"cache-retention", "SHARE",
                    "Share of a chunk's keys that stays in the cache, at every budget and in every block; in "
                    "hundredths. By default what the model folder says.",
                    "0.5"},
                   ReadDouble(0.01, 1, &options->cache_retention));
  command->AddFlag({"cache-score", "NAME",
                    "With --cache-retention: by what the keys that stay are chosen: router, saliency, key-norm or "
                    "random; by default router.",
                    "saliency"},
                   ReadChoice(CacheScoreChoices(), &options->cache_score));
  command->AddFlag({"hysteresis", "X",
                    "With --plain: added to the score of a token that its block kept in the step before, in standard "
                    "deviations of the scores.",
                    "1"},
                   ReadDouble(0, 1000, &options->hysteresis));
  command->AddFlag({"anchor", "X",
                    "With --plain: weight in a token's score, in standard deviations, of how much the chunk before "
                    "looked at the token's place.",
                    "0.5"},
                   ReadDouble(0, 1000, &options->anchor));
  command->AddFlag({"only", "TEXT", "Only conditions, and sheets of budgets, whose name contains TEXT.", "0.7"},
                   ReadString(&options->only));
  command->AddFlag({"long-chunks", "K", "Length of the long videos, in chunks.", "48"},
                   ReadInteger(5, 100'000, &options->long_chunks));
  command->AddFlag(
      {"baselines", "YES", "With --plain: budgets by random scores and by the oracle too: yes or no.", "yes"},
      ReadYesNo(&options->baselines));
  command->AddFlag(
      {"proxies", "YES",
       "Also measure video quality (consistency, flicker, smoothness, motion, sharpness) and give the total "
       "by VBench's formula: yes or no.",
       "yes"},
      ReadYesNo(&options->proxies));
  command->AddFlag(
      {"bounds", "FILE", "What counts as 0 and 1 in that total; by default quality_bounds.csv of the model's folder.",
       "models/tiny/quality_bounds.csv"},
      ReadString(&options->bounds));
  command->AddFlag({"reconstructions", "N", "Held-out clips for the autoencoder; 0: none.", "0"},
                   ReadInteger(0, 1'000'000, &options->reconstructions));
  command->AddFlag({"two-objects", "N", "Clips of two objects, judged by colour; 0: none.", "128"},
                   ReadInteger(0, 1'000'000, &options->two_objects));
}

void AddOutputFlags(EvaluateOptions* options, Command* command) {
  command->AddFlag({"csv", "FILE", "Also write the table here as CSV.", "quality.csv"}, ReadString(&options->csv));
  command->AddFlag({"per-clip", "FILE", "Also write a line per clip here: what compare and tools/make_results.py read.",
                    "ours.clips.csv"},
                   ReadString(&options->per_clip));
  command->AddFlag(
      {"method", "NAME", "With --per-clip: what tables call the model; by default its folder's name.", "ours"},
      ReadString(&options->method));
  command->AddFlag(
      {"training-seed", "LABEL", "With --per-clip: tells models apart that differ in their seed alone.", "3"},
      ReadString(&options->training_seed));
  command->AddFlag({"write-bounds", "FILE",
                    "Judge no model: write what the model without the second half of its blocks and real renders get, "
                    "as the 0 and 1 of the total. Needs --plain.",
                    "models/tiny/quality_bounds.csv"},
                   ReadString(&options->write_bounds));
  command->AddFlag(
      {"sheets", "FOLDER", "Also write one contact sheet per budget here, of the model's example prompts.", "sheets"},
      ReadString(&options->sheets));
}

void AddPromptFlags(PromptJudging* prompts, Command* command) {
  command->AddFlag({"prompts", "FILE",
                    "Judge a model folder of any kind by these prompts (text, .csv or .jsonl), the first --clips of "
                    "them: how far each budget's latents are from the dense ones on the same noise; --sheets: a sheet "
                    "per prompt, dense beside pruned.",
                    "prompts.txt"},
                   ReadString(&prompts->file));
  command->AddFlag(
      {"prompt-column", "NAME", "With --prompts: the column of a .csv file, or the key of a .jsonl one.", "caption"},
      ReadString(&prompts->column));
  command->AddFlag({"chunks", "N", "With --prompts: length of a video, in chunks.", "4"},
                   ReadInteger(1, 1000, &prompts->chunks));
}

// What would be accepted and do nothing. That nothing is to be judged of what --prompts does not judge may be said.
absl::Status CheckPromptFlags(const EvaluateOptions& options, const Command& command) {
  if (options.prompts.file.empty()) return RefuseGiven(command, {"prompt-column", "chunks"}, "needs --prompts");
  const std::string why = "goes without --prompts, which judges by the distance to the dense model alone";
  absl::Status refused = RefuseGiven(
      command,
      {"classifier", "conditions", "cache-retention", "cache-score", "hysteresis", "anchor", "only", "long-chunks",
       "bounds", "per-clip", "method", "training-seed", "write-bounds", "plain", "precision"},
      why);
  if (refused.ok() && options.baselines) refused = RefuseGiven(command, {"baselines"}, why);
  if (refused.ok() && options.proxies) refused = RefuseGiven(command, {"proxies"}, why);
  if (refused.ok() && options.reconstructions > 0) refused = RefuseGiven(command, {"reconstructions"}, why);
  if (refused.ok() && options.two_objects > 0) refused = RefuseGiven(command, {"two-objects"}, why);
  return refused;
}

// Files that nothing would be written to.
absl::Status CheckOutputFlags(const EvaluateOptions& options) {
  const bool of_clips = options.clips > 0 || !options.prompts.file.empty();
  for (const auto& [flag, file] : {std::pair{"--csv", options.csv}, {"--per-clip", options.per_clip}}) {
    if (!file.empty() && !of_clips) return WrongUsageError(absl::StrCat(flag, " ", file, ": needs --clips from 1 on"));
  }
  if (options.write_bounds.empty()) return absl::OkStatus();
  for (const auto& [flag, given] : {std::pair{"--csv", !options.csv.empty()},
                                    {"--per-clip", !options.per_clip.empty()},
                                    {"--sheets", !options.sheets.empty()},
                                    {"--two-objects", options.two_objects > 0}}) {
    if (given) return WrongUsageError(absl::StrCat(flag, ": goes without --write-bounds, which judges no model"));
  }
  return absl::OkStatus();
}

absl::Status CheckFlags(const EvaluateOptions& options) {
  if (options.baselines && options.plain.empty()) {
    return WrongUsageError("--baselines yes: needs --plain cpu or --plain cuda; serving knows routers only");
  }
  if ((options.hysteresis > 0 || options.anchor > 0) && options.plain.empty()) {
    return WrongUsageError("--hysteresis, --anchor: need --plain cpu or --plain cuda; serving remembers nothing");
  }
  if (!options.bounds.empty() && !options.proxies) {
    return WrongUsageError(absl::StrCat("--bounds ", options.bounds, ": needs --proxies yes"));
  }
  if (!options.write_bounds.empty() && options.plain.empty()) {
    return WrongUsageError("--write-bounds: needs --plain cpu or --plain cuda");
  }
  if (options.precision != EvaluateOptions().precision && options.device != "cuda") {
    return WrongUsageError(absl::StrCat("--precision ", options.precision, ": needs --device cuda"));
  }
  if (options.device == "cuda" && !options.plain.empty()) {
    return WrongUsageError("--device: --plain names the device of clips that are not made as they are served");
  }
  if (options.cache_retention != 0 && !options.write_bounds.empty()) {
    return WrongUsageError("--cache-retention: --write-bounds judges a dense model, whose cache is whole");
  }
  if (options.cache_retention == 0 && options.cache_score != EvaluateOptions().cache_score) {
    return WrongUsageError(absl::StrCat("--cache-score ", options.cache_score, ": needs --cache-retention"));
  }
  for (const auto& [flag, value] :
       {std::pair{"--method", options.method}, {"--training-seed", options.training_seed}}) {
    if (absl::StrContains(value, ',')) {
      return absl::InvalidArgumentError(absl::StrCat(flag, " '", value, "': must be without commas"));
    }
  }
  const auto kinds = ParseKinds(options.conditions);
  return kinds.ok() ? absl::OkStatus() : WrongUsageError(absl::StrCat("--conditions ", kinds.status().message()));
}

}  // namespace

void AddEvaluateFlags(EvaluateOptions* options, Command* command) {
  command->AddFlag({"model", "FOLDER", "Model folder to judge.", "out/tiny"}, ReadString(&options->model));
  command->AddFlag({"classifier", "FILE",
                    "Classifier that reads the clips; by default classifier.safetensors of the model's folder.",
                    "out/tiny/classifier.safetensors"},
                   ReadString(&options->classifier));
  AddPromptFlags(&options->prompts, command);
  AddChoiceFlags(options, command);
  command->AddFlag({"seed", "N", "Prompts, noise and scenes follow from it.", "7"}, ReadUnsigned(&options->seed));
  AddOutputFlags(options, command);
  command->AddFlag(
      {"plain", "DEVICE", "Make clips on the plain path instead of the served one, on cpu or cuda.", "cuda"},
      ReadDevice(&options->plain));
  command->AddFlag({"device", "NAME", "Where clips are made as they are served: cpu or cuda.", "cuda"},
                   ReadDevice(&options->device));
  command->AddFlag({"precision", "NAME", "With --device cuda: what the GPU computes in: fp32, bf16 or fp8.", "fp8"},
                   ReadChoice({"fp32", "bf16", "fp8"}, &options->precision));
  command->AddFlag({"threads", "N", "Processor threads; 0: one per processor.", "2"},
                   ReadInteger(0, 1024, &options->threads));
  command->AddCheck([options, command] { return CheckPromptFlags(*options, *command); });
  command->AddCheck([options] { return CheckOutputFlags(*options); });
  command->AddCheck([options] { return CheckFlags(*options); });
}

std::string MethodOf(const EvaluateOptions& options) {
  if (!options.method.empty()) return options.method;
  const std::filesystem::path folder = std::filesystem::path(options.model + "/").lexically_normal().parent_path();
  const std::string name = absl::StrReplaceAll(folder.filename().string(), {{",", "_"}});
  return options.cache_retention == 0 ? name : absl::StrCat(name, " ", CacheName(options));
}

std::optional<CacheRetention> CacheOf(const EvaluateOptions& options, const std::vector<RetentionTenths>& budgets) {
  if (options.cache_retention == 0) return std::nullopt;
  return UniformCacheRetention(options.cache_score, options.cache_retention, budgets);
}

std::string CommandOf(const EvaluateOptions& options) {
  std::string command = "videodiffcr-train evaluate";
  const auto add = [&command](bool said, const std::string& flag, const std::string& value) {
    if (said) absl::StrAppend(&command, " --", flag, " ", ShellWord(value));
  };
  const EvaluateOptions otherwise;
  add(true, "model", options.model);
  add(true, "clips", absl::StrCat(options.clips));
  add(true, "seed", absl::StrCat(options.seed));
  add(true, "conditions", options.conditions);
  add(!options.plain.empty(), "plain", options.plain);
  add(options.device == "cuda", "device", options.device);
  add(options.device == "cuda", "precision", options.precision);
  add(!options.classifier.empty(), "classifier", options.classifier);
  add(!options.budgets.empty(), "budgets", BudgetsText(options.budgets));
  add(!options.only.empty(), "only", options.only);
  add(options.long_chunks != otherwise.long_chunks, "long-chunks", absl::StrCat(options.long_chunks));
  add(options.cache_retention != 0, "cache-retention", NumberText(options.cache_retention));
  add(options.cache_retention != 0, "cache-score", options.cache_score);
  add(options.hysteresis > 0, "hysteresis", NumberText(options.hysteresis));
  add(options.anchor > 0, "anchor", NumberText(options.anchor));
  add(options.baselines, "baselines", "yes");
  add(options.proxies, "proxies", "yes");
  add(!options.bounds.empty(), "bounds", options.bounds);
  add(options.reconstructions != otherwise.reconstructions, "reconstructions", absl::StrCat(options.reconstructions));
  add(options.two_objects != otherwise.two_objects, "two-objects", absl::StrCat(options.two_objects));
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
      return WrongUsageError(absl::StrCat("--budgets ", BudgetText(budget), ": the model has ", BudgetsText(budgets)));
    }
    choice.budgets.push_back(budget);
  }
  std::vector<EvaluationCondition> conditions;
  std::vector<std::string> names;
  for (EvaluationCondition& condition : MakeConditions(choice)) {
    if (options.cache_retention != 0) absl::StrAppend(&condition.name, " with ", CacheName(options));
    names.push_back(condition.name);
    if (absl::StrContains(condition.name, options.only)) conditions.push_back(std::move(condition));
  }
  if (conditions.empty()) {
    return WrongUsageError(
        absl::StrCat("--only '", options.only, "': no such condition; there are ", absl::StrJoin(names, ", ")));
  }
  return conditions;
}

}  // namespace videodiffcr::training
