#include "client/generate_options.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/security_flags.h"
#include "client/video_call.h"
#include "command_line/flag_reader.h"
#include "proto/config_ranges.h"
#include "proto/proto_duration.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMaxChunks = 1'000'000;

// "4:rest" into 4 and "rest". InvalidArgument with the form wanted.
absl::StatusOr<std::pair<int64_t, std::string>> SplitChunkPrefix(std::string_view value, const char* form) {
  const size_t colon = value.find(':');
  int64_t chunk = 0;
  if (colon == std::string_view::npos || !absl::SimpleAtoi(absl::string_view(value.data(), colon), &chunk) ||
      chunk < 1 || colon + 1 == value.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("must be ", form, ", with a chunk from 1 on (the first chunk is 0)"));
  }
  return std::make_pair(chunk, std::string(value.substr(colon + 1)));
}

FlagReader ReadSwitch(std::map<int64_t, PlannedChange>* changes) {
  const auto read = [changes](std::string_view value) -> absl::Status {
    auto parts = SplitChunkPrefix(value, "CHUNK:PROMPT, for example 4:\"a blue square moves left\"");
    if (!parts.ok()) return parts.status();
    if (std::exchange((*changes)[parts->first].prompt, parts->second).has_value()) {
      return absl::InvalidArgumentError("names a chunk that has a new prompt already");
    }
    return absl::OkStatus();
  };
  return {read, ""};
}

FlagReader ReadSwitchBudget(std::map<int64_t, PlannedChange>* changes) {
  const auto read = [changes](std::string_view value) -> absl::Status {
    const auto parts = SplitChunkPrefix(value, "CHUNK:BUDGET, for example 6:0.7");
    if (!parts.ok()) return parts.status();
    double budget = 0;
    const absl::Status status = ReadDouble(0, 1, &budget).read(parts->second);
    if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("has a budget that ", status.message()));
    if (std::exchange((*changes)[parts->first].retention_target, budget).has_value()) {
      return absl::InvalidArgumentError("names a chunk that has a new budget already");
    }
    return absl::OkStatus();
  };
  return {read, ""};
}

FlagReader ReadPlayout(std::optional<double>* out) {
  const auto read = [out](std::string_view value) {
    if (value == "off") {
      out->reset();
      return absl::OkStatus();
    }
    double seconds = 0;
    const absl::Status status = ReadDouble(0, kMaxStartBufferSeconds, &seconds).read(value);
    if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat(status.message(), ", or off"));
    *out = seconds;
    return absl::OkStatus();
  };
  return {read, out->has_value() ? absl::StrCat(**out) : "off"};
}

FlagReader ReadFirstFragmentFrames(std::optional<int>* out) {
  const auto read = [out](std::string_view value) {
    int frames = 0;
    const absl::Status status = ReadInteger(0, kMostFirstFragmentFrames, &frames).read(value);
    if (status.ok()) *out = frames;
    return status;
  };
  return {read, "0, or 1 with --play"};
}

struct OutputEnding {
  const char* ending;
  v1::Codec codec;
  v1::Container container;
};

constexpr OutputEnding kOutputEndings[] = {
    {".mp4", v1::CODEC_H264, v1::CONTAINER_FRAGMENTED_MP4},
    {".h264", v1::CODEC_H264, v1::CONTAINER_ANNEX_B},
    {".rgb", v1::CODEC_RAW_RGB24, v1::CONTAINER_RAW},
    {".yuv", v1::CODEC_RAW_YUV420P, v1::CONTAINER_RAW},
};

const OutputEnding* FindOutputEnding(const std::string& path) {
  if (path == "-") return &kOutputEndings[0];
  for (const OutputEnding& candidate : kOutputEndings) {
    if (absl::EndsWith(path, candidate.ending)) return &candidate;
  }
  return nullptr;
}

// What goes with the prompts of a file.
absl::Status ValidatePrompts(const GenerateOptions& options) {
  if (options.prompts_file.empty()) return absl::OkStatus();
  const std::pair<const char*, bool> others[] = {{"--prompt", !options.prompt.empty()},
                                                 {"--play", options.play},
                                                 {"--output -", options.to_standard_output()},
                                                 {"--chunks 0", options.chunks == 0}};
  for (const auto& [flag, given] : others) {
    if (given)
      return absl::InvalidArgumentError(absl::StrCat(flag, " does not go with --prompts: it is for one video"));
  }
  return absl::OkStatus();
}

absl::Status Validate(const GenerateOptions& options) {
  if (absl::Status status = ValidatePrompts(options); !status.ok()) return status;
  if (options.prompt.empty() && options.prompts_file.empty()) {
    return absl::InvalidArgumentError("--prompt is missing; `videodiffcr info` lists prompts that work well");
  }
  if (FindOutputEnding(options.output) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("--output is '", options.output, "'; it must end in .mp4, .h264, .rgb or .yuv, or be -"));
  }
  if (!options.contact_sheet.empty() && !absl::EndsWith(options.output, ".mp4")) {
    return absl::InvalidArgumentError(
        absl::StrCat("--contact-sheet reads the video back, so it needs an --output that ends in "
                     ".mp4; --output is '",
                     options.output, "'"));
  }
  if (!options.contact_sheet.empty() && !absl::EndsWith(options.contact_sheet, ".png")) {
    return absl::InvalidArgumentError(
        absl::StrCat("--contact-sheet is '", options.contact_sheet, "'; it must end in .png"));
  }
  if (!options.changes.empty() && options.chunks > 0 && options.changes.rbegin()->first >= options.chunks) {
    const auto& [chunk, change] = *options.changes.rbegin();
    return absl::InvalidArgumentError(absl::StrCat(change.prompt.has_value() ? "--switch" : "--switch-budget",
                                                   " names chunk ", chunk, ", but the last of --chunks ",
                                                   options.chunks, " is chunk ", options.chunks - 1));
  }
  return absl::OkStatus();
}

}  // namespace

void AddGenerateFlags(GenerateOptions* options, Command* command) {
  command->AddFlag(
      {"prompt", "TEXT", "What the video shows. Needed, unless there is --prompts.", "\"a red circle moves right\""},
      ReadString(&options->prompt));
  command->AddFlag({"chunks", "N", "Chunks to generate; 0: until Ctrl-C.", "20"},
                   ReadInteger(0, kMaxChunks, &options->chunks));
  command->AddFlag({"seed", "N", "The same seed gives the same video; 0: the server picks one and it is printed.", "7"},
                   ReadUnsigned(&options->seed));
  command->AddFlag({"budget", "SHARE",
                    "Share of tokens the model works on, one of those that `videodiffcr info` lists; 1: all.", "0.7"},
                   ReadDouble(0, 1, &options->budget));
  command->AddRepeatedFlag(
      {"switch", "CHUNK:PROMPT", "A new prompt from that chunk on.", "4:\"a green star moves left\""},
      ReadSwitch(&options->changes));
  command->AddRepeatedFlag({"switch-budget", "CHUNK:SHARE", "A new budget from that chunk on.", "6:0.7"},
                           ReadSwitchBudget(&options->changes));
  command->AddFlag({"playout", "SECONDS",
                    "Playing time to buffer before playing begins. It gives every chunk a deadline, from which slack "
                    "is told; off: no deadlines.",
                    "1.5"},
                   ReadPlayout(&options->playout_seconds));
  command->AddFlag({"output", "PATH",
                    "Where the video goes, written as it arrives. The ending decides the form: .mp4 (fragmented MP4), "
                    ".h264 (Annex-B), .rgb or .yuv (raw frames); - is standard output, as MP4.",
                    "circle.mp4"},
                   ReadString(&options->output));
  command->AddFlag(
      {"contact-sheet", "PATH", "Also write a PNG of frames with their times. Needs an .mp4 output.", "circle.png"},
      ReadString(&options->contact_sheet));
  command->AddSwitch("play", "Also play the video while it is made, in ffplay or what VIDEODIFFCR_PLAYER names.",
                     &options->play);
  command->AddFlag({"first-fragment-frames", "N",
                    "Frames of the first chunk that are written before its others are encoded: to see something "
                    "sooner. The file has the first chunk in two fragments then.",
                    "1"},
                   ReadFirstFragmentFrames(&options->first_fragment_frames));
  command->AddFlag({"prompts", "FILE",
                    "Make a video of each line of this file instead, some at a time; the files are numbered: "
                    "video-1.mp4. Lines that begin with # are passed over.",
                    "prompts.txt"},
                   ReadString(&options->prompts_file));
  command->AddFlag({"at-once", "N", "Videos of --prompts that are made at a time.", "2"},
                   ReadInteger(1, 64, &options->at_once));
  command->AddFlag({"server", "HOST:PORT,...",
                    "The server that generates; several of one model, by commas: where one is full, drains or is lost, "
                    "another goes on with the video.",
                    "gpu-7:50051,gpu-8:50051"},
                   ReadServerAddresses(&options->server));
  AddSecurityFlags(&options->security, command);
  command->AddCheck([options] { return Validate(*options); });
}

v1::SessionConfig ToSessionConfig(const GenerateOptions& options) {
  v1::SessionConfig config;
  config.set_prompt(options.prompt);
  config.set_seed(options.seed);
  config.set_length_chunks(static_cast<int32_t>(options.chunks));
  config.mutable_retention()->set_target(options.budget);
  const OutputEnding& form = *FindOutputEnding(options.output);
  config.mutable_output()->set_codec(form.codec);
  config.mutable_output()->set_container(form.container);
  config.mutable_output()->set_first_fragment_frames(options.first_fragment_frames.value_or(options.play ? 1 : 0));
  if (options.playout_seconds.has_value()) {
    *config.mutable_playout()->mutable_start_buffer() = ToProtoDuration(absl::Seconds(*options.playout_seconds));
  }
  const std::optional<int64_t> credits = ChangeSchedule(options.changes, options.chunks).initial_chunk_credits();
  if (credits.has_value()) config.set_initial_chunk_credits(*credits);
  return config;
}

}  // namespace videodiffcr
