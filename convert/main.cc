// videodiffcr-convert: released files in, a model folder out. docs/converting.md is its manual.
// Exit status: 0 done, 1 failed (a file that is missing or not what it should be, too), 2 a wrong flag.
#include <unistd.h>

#include <iostream>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "command_line/program.h"
#include "command_line/standard_streams.h"
#include "convert/convert_options.h"
#include "convert/tokens_command.h"
#include "system/steady_time.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

// On a terminal one line that is written over; into a log one line per tenth.
class ProgressLine {
 public:
  void Show(const ConversionProgress& progress) {
    const int percent = progress.total_bytes == 0 ? 100
                                                  : static_cast<int>(100.0 * static_cast<double>(progress.done_bytes) /
                                                                     static_cast<double>(progress.total_bytes));
    if (percent == shown_ || (!terminal_ && percent / 10 == shown_ / 10)) return;
    shown_ = percent;
    std::cerr << absl::StrFormat("%s%3d %%  %.2f of %.2f GB  %s  %s%s", terminal_ ? "\r\033[K" : "", percent,
                                 static_cast<double>(progress.done_bytes) / 1e9,
                                 static_cast<double>(progress.total_bytes) / 1e9, progress.file, progress.tensor,
                                 terminal_ ? "" : "\n");
  }
  void End() const {
    if (terminal_ && shown_ >= 0) std::cerr << "\n";
  }

 private:
  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  int shown_ = -1;
};

constexpr char kName[] = "videodiffcr-convert";

int PrintTokens(const std::vector<std::string_view>& arguments) {
  constexpr char kTokensName[] = "videodiffcr-convert tokens";
  const absl::StatusOr<TokensCommand> command = ParseTokensCommand(arguments);
  if (!command.ok()) return RefuseCommandLine(kTokensName, kTokensName, command.status(), std::cerr);
  if (!command->answer.empty()) return WriteAnswer(kTokensName, command->answer, std::cout, std::cerr);
  const absl::StatusOr<std::string> text = DescribeTokens(*command);
  if (!text.ok()) return Fail(kTokensName, text.status(), std::cerr);
  return WriteAnswer(kTokensName, *text, std::cout, std::cerr);
}

int Main(const std::vector<std::string_view>& arguments) {
  // A word in place of the flags; the program has none otherwise.
  if (!arguments.empty() && arguments.front() == "tokens") {
    return PrintTokens({arguments.begin() + 1, arguments.end()});
  }
  const absl::StatusOr<ConvertOptions> options = ParseConvertOptions(arguments);
  if (IsWrongUsage(options.status())) return RefuseCommandLine(kName, kName, options.status(), std::cerr);
  if (!options.ok()) return Fail(kName, options.status(), std::cerr);
  if (!options->answer.empty()) return WriteAnswer(kName, options->answer, std::cout, std::cerr);
  const absl::Time start = SteadyNow();
  ProgressLine line;
  const absl::Status status = ConvertModel(
      options->request, [&line](const ConversionProgress& progress) { line.Show(progress); },
      [](const std::string& note) { std::cerr << absl::StrCat(kName, ": ", note, "\n"); });
  line.End();
  if (!status.ok()) return Fail(kName, status, std::cerr);
  std::cerr << absl::StrFormat("%s is complete (%.1f s)\n", options->request.output_folder,
                               absl::ToDoubleSeconds(SteadyNow() - start));
  return kDone;
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) {
  videodiffcr::PrepareStandardStreams();
  return videodiffcr::Main({argv + 1, argv + argc});
}
