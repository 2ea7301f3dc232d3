#include "training/command/distillation_flags.h"

#include <cstdint>

#include "training/command/given_flags.h"

namespace videodiffcr::training {

void AddRecomputeBlocks(StageOptions* stage, Command* command) {
  command->AddFlag({"recompute-blocks", "YES",
                    "Compute the transformer blocks' activations again in backward instead of keeping them, for less "
                    "memory and more time: yes, no or auto, by the model's size.",
                    "yes"},
                   {[stage](std::string_view value) -> absl::Status {
                      if (value != "yes" && value != "no" && value != "auto") {
                        return absl::InvalidArgumentError("must be yes, no or auto");
                      }
                      stage->recompute_blocks.reset();
                      if (value != "auto") stage->recompute_blocks = value == "yes";
                      return absl::OkStatus();
                    },
                    "auto"});
}

void AddUnknownWords(double* share, Command* command) {
  command->AddFlag(
      {"unknown-words", "X", "Share of captions in which unknown words stand for one or two known ones.", "0.1"},
      ReadDouble(0, 1, share));
}

void AddDistillationFlags(DistillationOptions* options, Command* command) {
  command->AddFlag({"critic-learning-rate", "X", "Learning rate of the fake score.", "0.0001"},
                   ReadDouble(1e-9, 10, &options->scores.critic_learning_rate));
  command->AddFlag({"guidance", "X", "Guidance of the real score.", "2"},
                   ReadDouble(0, 100, &options->scores.guidance));
  command->AddFlag(
      {"teacher", "FOLDER", "Model folder of the undistilled transformer; by default that of --model.", "out/teacher"},
      ReadString(&options->teacher));
  AddUnknownWords(&options->scenes.unknown_words, command);
  command->AddFlag({"most-chunks", "N",
                    "Chunks of the longest rollouts of scenes: 30 % have from 5 to so many, the others 4. Longer ones "
                    "show a student its own drift, and take as much longer.",
                    "16"},
                   ReadInteger(kWindowChunks, 64, &options->scenes.most_chunks));
  command->AddFlag({"critic-only-steps", "N", "Steps before the student is trained.", "50"},
                   ReadInteger(0, 1'000'000, &options->critic_only_steps));
  command->AddFlag({"warmup-steps", "N", "Steps until the student's learning rate is at its highest.", "100"},
                   ReadInteger(0, 1'000'000, &options->warmup_steps));
}

void AddFilePromptFlags(const char* then, FilePromptOptions* prompts, Command* command) {
  command->AddFlag(
      {"prompts", "FILE", absl::StrCat("Prompts: text, one a line; .csv or .jsonl, a column of it. ", then),
       "VidProM_unique.csv"},
      ReadString(&prompts->file));
  command->AddFlag(
      {"prompt-column", "NAME", "With --prompts: the column of a .csv file, or the key of a .jsonl one.", "caption"},
      ReadString(&prompts->column));
  command->AddFlag({"most-prompts", "N", "So many of the file, from its start.", "10000"},
                   ReadInteger(1, 1'000'000, &prompts->most));
  command->AddCheck([prompts, command]() -> absl::Status {
    if (!prompts->file.empty()) return absl::OkStatus();
    return RefuseGiven(*command, {"prompt-column", "most-prompts"}, "needs --prompts");
  });
}

void AddSizeFlags(StageOptions* stage, DistillationOptions* options, Command* command) {
  AddFilePromptFlags("Then any model folder will do; else the tiny model's scenes.", &options->prompts, command);
  command->AddFlag(
      {"negative-prompt", "TEXT", "With --prompts: what guidance leads the real score away from; by default no words.",
       "'static, blurred, low quality'"},
      ReadString(&options->negative_prompt));
  command->AddFlag(
      {"fake-score", "FOLDER",
       "Model folder of the transformer that the fake score starts as; by default that of --teacher.", "wan-1.3b"},
      ReadString(&options->fake_score));
  command->AddFlag(
      {"teacher-blocks", "PLACE",
       "Where the teacher's blocks lie: on the device, or, for one that is too large, in the host's memory "
       "(each process's own), each copied while the one before it computes: device or host.",
       "host"},
      ReadEither("device", false, "host", true, &options->teacher_on_host));
  command->AddCheck([stage, options]() -> absl::Status {
    if (!options->teacher_on_host || stage->device != "cpu") return absl::OkStatus();
    return absl::InvalidArgumentError("--teacher-blocks host: needs a GPU (--device cuda); on a CPU they lie there");
  });
  command->AddFlag(
      {"score-attention", "KIND",
       "Whether teacher and fake score see a chunk and those before it, or, with --prompts, all of a clip: "
       "causal or bidirectional.",
       "bidirectional"},
      ReadEither("causal", false, "bidirectional", true, &options->scores.whole_clip));
  command->AddFlag({"timed-steps", "N",
                    "Only measure: run so many steps, say how long their parts took and what memory they needed, and "
                    "keep nothing; 0: train.",
                    "6"},
                   ReadInteger(0, 10'000, &stage->timed_steps));
}

}  // namespace videodiffcr::training
