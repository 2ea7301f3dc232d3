#include "client/load/load_command.h"

#include <unistd.h>

#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/interrupt.h"
#include "client/load/load_options.h"
#include "client/load/load_plot.h"
#include "client/load/load_result.h"
#include "client/load/load_run.h"
#include "client/progress_line.h"
#include "client/running_calls.h"
#include "command_line/printable_text.h"
#include "command_line/program.h"
#include "media/png_file.h"
#include "system/steady_time.h"
#include "system/whole_file.h"
#include "system/writable.h"

namespace videodiffcr {
namespace {

// What minutes of load end with has to have a place: found out before them.
absl::Status CheckOutputs(const LoadOptions& options) {
  for (const auto& [path, flag] : {std::pair{options.json_file, "--json"}, std::pair{options.plot_file, "--plot"}}) {
    if (path.empty()) continue;
    if (absl::Status writable = CheckWritable(path, flag); !writable.ok()) return writable;
  }
  return absl::OkStatus();
}

// Why sessions failed, each reason once.
std::string Failures(const std::vector<ViewerOutcome>& outcomes) {
  std::map<std::string, int> reasons;
  for (const ViewerOutcome& outcome : outcomes) {
    if (outcome.end == ViewerEnd::kFailed) ++reasons[outcome.error];
  }
  std::string text;
  for (const auto& [reason, count] : reasons) {
    absl::StrAppend(&text, "  failed ", count, " times: ", PrintableText(reason), "\n");
  }
  return text;
}

absl::Status RunLoadCommand(const LoadOptions& options) {
  std::map<std::string, double> before;
  if (!options.compare_file.empty()) {
    absl::StatusOr<std::map<std::string, double>> figures = ReadFigures(options.compare_file);
    if (!figures.ok()) return figures.status();
    before = *std::move(figures);
  }
  if (absl::Status writable = CheckOutputs(options); !writable.ok()) return writable;
  RunningCalls calls;
  const InterruptWatcher watcher([&calls] { return calls.CancelAll(); }, [&calls] { return calls.any_open(); });
  ProgressLine progress(&std::cerr, isatty(STDERR_FILENO) != 0);
  const absl::StatusOr<std::vector<ViewerOutcome>> outcomes = RunLoad(options, &calls, [&](const LoadProgress& now) {
    progress.Show(absl::StrFormat("%.0f s: %d sessions begun, %d run, %d chunks", absl::ToDoubleSeconds(now.elapsed),
                                  now.begun, now.running, now.chunks),
                  SteadyNow());
  });
  progress.End();
  if (!outcomes.ok()) return outcomes.status();
  const std::map<std::string, double> figures = FiguresOf(*outcomes);
  const std::string report =
      FigureTable(figures, options.compare_file.empty() ? nullptr : &before) + Failures(*outcomes);
  const absl::Status told = WriteText(report, std::cout);  // the files below are worth having all the same
  if (!options.json_file.empty()) {
    const absl::Status written = WriteWholeFile(
        options.json_file,
        FiguresToJson(figures, {{"server", options.server.address}, {"seed", absl::StrCat(options.seed)}}));
    if (!written.ok()) return written;
  }
  if (!options.plot_file.empty()) {
    const absl::Status drawn = WritePng(DrawLoad(*outcomes, "load on " + options.server.address), options.plot_file);
    if (!drawn.ok()) return drawn;
  }
  if (!told.ok()) return told;
  if (watcher.interrupted()) return absl::CancelledError("interrupted; the figures are of what there was until then");
  return CheckRequirements(options.requirements, figures);
}

}  // namespace

Subcommand LoadSubcommand() {
  CommandText text = {"load", "puts many viewers on a server and tells what they saw",
                      "Open loop or closed, slow readers, connections that break and are resumed, sessions that are "
                      "cancelled. The example holds a server to its promises while a twentieth of all chunks is "
                      "followed by a cut.",
                      "videodiffcr load --arrivals poisson:1 --duration 60s --chunks 4..16 --cut-share 0.05 --verify 1 "
                      "\\\n    --require 'cpr>=0.99,lost==0,changed==0'"};
  const auto add = [](Command* command) {
    const auto options = std::make_shared<LoadOptions>();
    AddLoadFlags(options.get(), command);
    return [options] { return RunLoadCommand(*options); };
  };
  return {std::move(text), add};
}

}  // namespace videodiffcr
