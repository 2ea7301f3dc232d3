#include "client/load/load_options.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/load/load_result.h"
#include "client/security_flags.h"
#include "client/video_call.h"
#include "command_line/flag_reader.h"
#include "proto/config_ranges.h"

namespace videodiffcr {
namespace {

FlagReader ReadArrivals(Arrivals* out) {
  const auto read = [out](std::string_view value) -> absl::Status {
    absl::StatusOr<Arrivals> arrivals = ParseArrivals(value);
    if (!arrivals.ok()) return arrivals.status();
    *out = *std::move(arrivals);
    return absl::OkStatus();
  };
  return {read, "closed:4"};
}

FlagReader ReadRequirements(std::vector<Requirement>* out) {
  const auto read = [out](std::string_view value) -> absl::Status {
    absl::StatusOr<std::vector<Requirement>> requirements = ParseRequirements(value);
    if (!requirements.ok()) return requirements.status();
    out->insert(out->end(), requirements->begin(), requirements->end());
    return absl::OkStatus();
  };
  return {read, ""};
}

// "8" or "4..16".
FlagReader ReadRange(int* least, int* most) {
  const auto read = [least, most](std::string_view value) -> absl::Status {
    const std::vector<std::string> ends = absl::StrSplit(absl::string_view(value.data(), value.size()), "..");
    const bool good = ends.size() <= 2 && absl::SimpleAtoi(ends.front(), least) &&
                      absl::SimpleAtoi(ends.back(), most) && *least >= 1 && *least <= *most && *most <= 1'000'000;
    return good ? absl::OkStatus()
                : absl::InvalidArgumentError("must be a number of chunks from 1 on, or two as in 4..16");
  };
  return {read, "8"};
}

bool ParseShare(absl::string_view text, double* share) {
  return absl::SimpleAtod(text, share) && *share > 0 && *share <= 1;
}

// "1,0.7", or with floors "1/0.5,0.7/0.6".
FlagReader ReadBudgets(std::vector<LoadBudget>* out) {
  const auto read = [out](std::string_view value) -> absl::Status {
    out->clear();
    for (const absl::string_view part : absl::StrSplit(absl::string_view(value.data(), value.size()), ',')) {
      const std::vector<absl::string_view> shares = absl::StrSplit(part, '/');
      LoadBudget budget;
      double floor = 0;
      if (shares.size() > 2 || !ParseShare(shares.front(), &budget.target) || !ParseShare(shares.back(), &floor)) {
        return absl::InvalidArgumentError("must be shares above 0 and up to 1, as in 1,0.7 or with floors 1/0.5,0.7");
      }
      if (shares.size() == 2) budget.floor = floor;
      out->push_back(budget);
    }
    return absl::OkStatus();
  };
  return {read, "1"};
}

FlagReader ReadOptional(double most, const char* off, std::optional<double>* out) {
  const auto read = [most, off, out](std::string_view value) -> absl::Status {
    double number;
    if (off != nullptr && value == off) {
      out->reset();
      return absl::OkStatus();
    }
    if (!absl::SimpleAtod(absl::string_view(value.data(), value.size()), &number) || !(number >= 0 && number <= most)) {
      return absl::InvalidArgumentError(
          absl::StrCat("must be a number from 0 to ", most, off == nullptr ? "" : absl::StrCat(", or ", off)));
    }
    *out = number;
    return absl::OkStatus();
  };
  return {read, out->has_value() ? absl::StrCat(**out) : ""};
}

// Before minutes of load, which would end with this.
absl::Status CheckFigures(const std::vector<Requirement>& requirements) {
  const std::map<std::string, double> figures = FiguresOf({});
  for (const Requirement& requirement : requirements) {
    if (figures.count(requirement.figure) > 0) continue;
    const auto name = [](std::string* out, const auto& figure) { absl::StrAppend(out, figure.first); };
    return absl::InvalidArgumentError(absl::StrCat("--require asks for '", requirement.figure, "'; the figures are ",
                                                   absl::StrJoin(figures, ", ", name)));
  }
  return absl::OkStatus();
}

absl::Status Validate(const LoadOptions& options) {
  if (absl::Status known = CheckFigures(options.requirements); !known.ok()) return known;
  for (const auto& [time, flag] : {std::pair{options.duration, "--duration"}, {options.slow_pause, "--slow-pause"}}) {
    if (time >= absl::ZeroDuration() && time != absl::InfiniteDuration()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(flag, " is ", absl::FormatDuration(time), "; it must be a time from 0 on that ends"));
  }
  for (const LoadBudget& budget : options.budgets) {
    const double floor = budget.floor.value_or(options.floor.value_or(budget.target));
    if (floor <= budget.target) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(budget.floor.has_value() ? "--budgets has a floor of " : "--floor is ", floor,
                     "; it must not be above its budget, which is ", budget.target));
  }
  return absl::OkStatus();
}

}  // namespace

void AddLoadFlags(LoadOptions* options, Command* command) {
  command->AddFlag({"server", "HOST:PORT", "The server that is loaded.", "gpu-7:50051"},
                   ReadServerAddress(&options->server.address));
  AddSecurityFlags(&options->server.security, command);
  command->AddFlag({"arrivals", "HOW",
                    "When sessions begin: closed:N (so many at once, each followed by another), poisson:PER_SECOND, "
                    "burst:N@TIME, or trace:FILE (a moment in seconds per line).",
                    "poisson:2"},
                   ReadArrivals(&options->arrivals));
  command->AddFlag({"duration", "TIME", "No session begins after it.", "5m"}, ReadDuration(&options->duration));
  command->AddFlag({"max-viewers", "N", "Sessions at once; arrivals beyond it count as failed.", "64"},
                   ReadInteger(1, 100'000, &options->max_viewers));
  command->AddRepeatedFlag(
      {"prompt", "TEXT", "A prompt of the mix; without any, the server's examples.", "\"a red circle moves right\""},
      AppendName(&options->prompts));
  command->AddFlag({"budgets", "SHARES",
                    "The mix of budgets, each with a floor of its own behind a slash if it has one.", "1/0.5,0.7"},
                   ReadBudgets(&options->budgets));
  command->AddFlag({"floor", "SHARE", "How far the server may lower those without; unset: not at all.", "0.7"},
                   ReadOptional(1, nullptr, &options->floor));
  command->AddFlag({"chunks", "N..M", "The length of a session, at random within.", "4..32"},
                   ReadRange(&options->least_chunks, &options->most_chunks));
  command->AddFlag({"batch-share", "SHARE", "Sessions of the batch class.", "0.2"},
                   ReadDouble(0, 1, &options->batch_share));
  command->AddFlag(
      {"playout", "SECONDS", "Playing time that viewers buffer before they begin; off: no deadlines.", "2"},
      ReadOptional(kMaxStartBufferSeconds, "off", &options->playout_seconds));
  command->AddFlag({"run-ahead", "N", "Chunks that the server may be ahead of playing; 0: no limit.", "8"},
                   ReadInteger(0, kMaxRunAheadChunks, &options->run_ahead));
  command->AddFlag(
      {"first-fragment-frames", "N",
       "Frames that viewers want ahead of their first chunk; first_frames_p50_ms says when they came.", "1"},
      ReadInteger(0, kMostFirstFragmentFrames, &options->first_fragment_frames));
  command->AddFlag({"slow-share", "SHARE", "Viewers who read slowly.", "0.1"}, ReadDouble(0, 1, &options->slow_share));
  command->AddFlag({"slow-pause", "TIME", "How long they wait before each chunk.", "3s"},
                   ReadDuration(&options->slow_pause));
  command->AddFlag({"cut-share", "SHARE", "Chunks behind which the connection breaks; the session is resumed.", "0.05"},
                   ReadDouble(0, 1, &options->cut_share));
  command->AddFlag(
      {"kill-share", "SHARE", "Sessions that are cancelled at a random chunk, or before the first.", "0.1"},
      ReadDouble(0, 1, &options->kill_share));
  command->AddFlag(
      {"verify", "SHARE",
       "Sessions whose every byte is held against an uninterrupted run of the same seed, afterwards. Where "
       "the server has lowered a budget the comparison ends.",
       "1"},
      ReadDouble(0, 1, &options->verify_share));
  command->AddFlag({"seed", "N", "The same seed makes the same load.", "7"}, ReadUnsigned(&options->seed));
  command->AddFlag({"json", "PATH", "Write the figures there.", "load.json"}, ReadString(&options->json_file));
  command->AddFlag({"plot", "PATH", "Draw every chunk's slack over time, as PNG.", "load.png"},
                   ReadString(&options->plot_file));
  command->AddFlag({"compare", "PATH", "Show the figures beside those that an earlier --json wrote.", "before.json"},
                   ReadString(&options->compare_file));
  command->AddFlag(
      {"require", "LIST", "Exit status 1 unless all of it holds; a figure that nothing was measured for does not.",
       "'cpr>=0.99,lost==0'"},
      ReadRequirements(&options->requirements));
  command->AddCheck([options] { return Validate(*options); });
}

}  // namespace videodiffcr
