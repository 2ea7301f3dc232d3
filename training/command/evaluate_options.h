// The flags of videodiffcr-train evaluate.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_OPTIONS_H_
#define VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "command_line/command.h"
#include "model/config/cache_retention.h"
#include "training/evaluation/evaluation_condition.h"

namespace videodiffcr::training {

// Judging a folder of any kind by prompts of one's own.
struct PromptJudging {
  std::string file;  // empty: judged by scenes
  std::string column = "prompt";
  int64_t chunks = 7;
};

struct EvaluateOptions {
  PromptJudging prompts;
  std::string model = "models/tiny";
  std::string classifier;  // empty: the model folder's
  std::string csv;
  std::string per_clip;
  std::string method;  // empty: the model folder's name
  std::string training_seed = "0";
  std::string sheets;
  std::string only;
  std::string plain;               // the device of the plain path; empty: as served
  std::string device = "cpu";      // of the served path
  std::string precision = "bf16";  // of the served path on a GPU
  std::string conditions = "short,long,switch,held-out";
  std::vector<int> budgets;            // empty: all of the model
  double cache_retention = 0;          // 0: the model folder's
  std::string cache_score = "router";  // with cache_retention
  double hysteresis = 0, anchor = 0;   // of the ranking's memory
  std::string bounds;                  // empty: the model folder's, when it has some
  std::string write_bounds;
  bool baselines = false;
  bool proxies = false;
  int64_t clips = 64;
  int64_t reconstructions = 64;
  int64_t two_objects = 0;
  int64_t long_chunks = 24;
  int64_t threads = 0;
  uint64_t seed = 1;
};

void AddEvaluateFlags(EvaluateOptions* options, Command* command);

// The command line that makes the same clips and figures again, as a shell reads it, for the first line of files that
// are kept: without flags that have their defaults, and without --threads, --csv and --sheets, which change no figure.
// Not for --prompts, by which no such file is made.
std::string CommandOf(const EvaluateOptions& options);
// The last part of the model folder's path, unless --method says another.
std::string MethodOf(const EvaluateOptions& options);

// What the flags say about the cache of a model with these budgets; nothing: what the model folder says.
std::optional<CacheRetention> CacheOf(const EvaluateOptions& options, const std::vector<RetentionTenths>& budgets);

// What is to be judged of a model with these budgets. InvalidArgument names a condition or budget that there is not.
absl::StatusOr<std::vector<EvaluationCondition>> ConditionsOf(const EvaluateOptions& options,
                                                              const std::vector<RetentionTenths>& budgets);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_OPTIONS_H_
