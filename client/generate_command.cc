#include "client/generate_command.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/call_status.h"
#include "client/change_schedule.h"
#include "client/generate_options.h"
#include "client/generation_record.h"
#include "client/interrupt.h"
#include "client/progress_board.h"
#include "client/progress_line.h"
#include "client/prompts_file.h"
#include "client/running_calls.h"
#include "client/video_bytes.h"
#include "client/video_client.h"
#include "client/video_output.h"
#include "client/video_player.h"
#include "command_line/printable_text.h"
#include "media/av_messages.h"
#include "media/contact_sheet.h"
#include "system/steady_time.h"
#include "system/writable.h"
#include "system/wrong_usage.h"
#include "threading/mutex.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(5);
constexpr absl::Duration kLoadTimeout = absl::Minutes(1);

// One generation from its first event to its last.
class Generation {
 public:
  Generation(const GenerateOptions& options, VideoClient* client, ProgressSink* progress,
             VideoPlayer::Interrupted interrupted)
      : options_(options),
        interrupted_(std::move(interrupted)),
        schedule_(options.changes, options.chunks),
        record_(options, SteadyNow()),
        progress_(*progress),
        call_(client->StreamVideo(ToSessionConfig(options), MendBreaks())) {}

  VideoCall* call() { return call_.get(); }

  // Reads events until the call is over. What cannot go on here (a full disk, a change at the wrong chunk) cancels the
  // call.
  absl::Status Run() {
    absl::Status status;
    while (status.ok()) {
      const std::optional<v1::StreamVideoResponse> event = call_->Next();
      if (!event.has_value()) break;
      status = Handle(*event);
    }
    if (!status.ok()) call_->Cancel();
    absl::Status end = call_->Finish();
    // The server names the field of our request, which a flag has set.
    if (absl::IsInvalidArgument(end)) end = AsWrongUsage(std::move(end));
    progress_.End();
    const absl::Status closed = output_.has_value() ? output_->Close() : absl::OkStatus();
    for (const absl::Status& first : {status, end}) {
      if (!first.ok()) return first;
    }
    return closed;
  }

  const GenerationRecord& record() const { return record_; }

 private:
  ResumeOptions MendBreaks() {
    ResumeOptions options;
    options.on_break = [this](const absl::Status& status) {
      progress_.Note(absl::StrCat("the connection broke off (", status.message(), "); going on"));
    };
    return options;
  }

  absl::Status Handle(const v1::StreamVideoResponse& event) {
    switch (event.response_case()) {
      case v1::StreamVideoResponse::kStarted:
        return HandleStarted(event.started());
      case v1::StreamVideoResponse::kFirstFragment:
        return HandleFirstFragment(event);
      case v1::StreamVideoResponse::kChunk:
        return HandleChunk(event);
      case v1::StreamVideoResponse::kUpdateApplied:
        progress_.Note(absl::StrCat("the change for chunk ", event.update_applied().update_id(),
                                    " takes effect at chunk ", event.update_applied().first_chunk()));
        return schedule_.CheckApplied(event.update_applied());
      case v1::StreamVideoResponse::kStateChanged:
        if (event.state_changed().state() == v1::SESSION_STATE_WAITING) {
          progress_.Note(absl::StrCat("waiting: ", event.state_changed().reason()));
        }
        return absl::OkStatus();
      case v1::StreamVideoResponse::kBudgetChanged:
        if (event.budget_changed().origin() == v1::BUDGET_ORIGIN_SERVER) {
          progress_.Note(absl::StrFormat("the server set the budget to %.2f from chunk %d on: %s",
                                         event.budget_changed().retention_target(),
                                         event.budget_changed().first_chunk(), event.budget_changed().reason()));
        }
        return absl::OkStatus();
      case v1::StreamVideoResponse::kWarning:
        progress_.Note(absl::StrCat("note: ", event.warning().message()));
        return absl::OkStatus();
      case v1::StreamVideoResponse::kFinished:
      case v1::StreamVideoResponse::kSnapshot:         // the call keeps it, and goes on from it
      case v1::StreamVideoResponse::RESPONSE_NOT_SET:  // a later server may say more than this client knows
        return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  absl::Status HandleStarted(const v1::SessionStarted& started) {
    record_.AddStarted(started);
    progress_.Note(absl::StrFormat("%s, %dx%d at %d fps, seed %d, writing %s", started.model(), started.width(),
                                   started.height(), started.frames_per_second(), started.seed(),
                                   options_.to_standard_output() ? "to standard output" : options_.output));
    // Not before: a refused call leaves an older file alone.
    absl::StatusOr<VideoOutput> output = VideoOutput::Open(options_.output);
    if (!output.ok()) return output.status();
    output_.emplace(*std::move(output));
    if (!options_.play) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<VideoPlayer>> player = VideoPlayer::Start(interrupted_);
    if (!player.ok()) return player.status();
    player_ = *std::move(player);
    return absl::OkStatus();
  }

  absl::Status HandleFirstFragment(const v1::StreamVideoResponse& event) {
    const absl::Status status = Write(event);
    if (status.ok()) record_.AddFirstFrames(SteadyNow());
    return status;
  }

  absl::Status HandleChunk(const v1::StreamVideoResponse& event) {
    const v1::VideoChunk& chunk = event.chunk();
    for (const v1::StreamVideoRequest& request : schedule_.AfterChunk(chunk.sequence())) call_->Send(request);
    const absl::Status status = Write(event);
    if (status.ok()) {
      const absl::Time now = SteadyNow();
      record_.AddChunk(chunk, now);
      progress_.Show(FormatProgress(record_.Progress()), now);
    }
    return status;
  }

  // Its frames, in one piece, so that an interrupt never leaves an init segment or half a fragment.
  absl::Status Write(const v1::StreamVideoResponse& event) {
    if (!output_.has_value()) {
      return absl::InternalError("the server sent frames before it said that the session has started");
    }
    const std::string bytes = bytes_.Of(event);
    const absl::Status status = output_->Write(bytes);
    if (status.ok() && player_ != nullptr) player_->Write(bytes);
    return status;
  }

  const GenerateOptions& options_;
  const VideoPlayer::Interrupted interrupted_;
  const ChangeSchedule schedule_;
  GenerationRecord record_;
  ProgressSink& progress_;
  VideoBytes bytes_;
  std::optional<VideoOutput> output_;
  std::unique_ptr<VideoPlayer> player_;
  const std::unique_ptr<VideoCall> call_;  // last: it tells the others
};

// Of many videos their last progress says enough; beside a video on standard output it is a message.
absl::Status Tell(const GenerateOptions& options, const std::string& text) {
  if (!options.prompts_file.empty()) return absl::OkStatus();
  if (!options.to_standard_output()) return WriteText(text, std::cout);
  std::cerr << text << std::flush;
  return absl::OkStatus();
}

// FFmpeg's, of a video that a server sent.
void TellOfVideo(std::string_view message) {
  const std::string line = absl::StrCat("videodiffcr: FFmpeg: ", PrintableText(message), "\n");
  std::cerr.rdbuf()->sputn(line.data(), static_cast<std::streamsize>(line.size()));
}

absl::Status Report(const GenerateOptions& options, const GenerationRecord& record) {
  const std::string name = options.to_standard_output() ? "standard output" : options.output;
  const absl::Status told = Tell(options, absl::StrCat(name, ": ", record.Summary()));
  if (options.contact_sheet.empty()) return told;
  // The picture is worth having all the same.
  ContactSheetOptions sheet;
  sheet.captions = record.PromptLines();
  const absl::Status drawn = WriteContactSheet(options.output, options.contact_sheet, sheet);
  if (!drawn.ok() || !told.ok()) return drawn.ok() ? told : drawn;
  return Tell(options, absl::StrCat("  contact sheet        ", options.contact_sheet, "\n"));
}

// Of the video with this index of so many.
GenerateOptions NumberedOptions(const GenerateOptions& options, size_t index, size_t count) {
  GenerateOptions own = options;
  own.output = NumberedPath(options.output, index + 1, count);
  if (!own.contact_sheet.empty()) own.contact_sheet = NumberedPath(options.contact_sheet, index + 1, count);
  return own;
}

bool IsThereAndNoFile(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  return std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
}

// Before anything is generated that could not be kept, or not be read back.
absl::Status CheckOutputs(const GenerateOptions& options) {
  if (!options.to_standard_output()) {
    if (absl::Status status = CheckWritable(options.output, "--output"); !status.ok()) return status;
  }
  if (options.contact_sheet.empty()) return absl::OkStatus();
  if (IsThereAndNoFile(options.output)) {
    return WrongUsageError(absl::StrCat("--contact-sheet reads the video back, and --output ", options.output,
                                        " is a pipe or a device: name a file"));
  }
  if (IsThereAndNoFile(options.contact_sheet)) {
    return WrongUsageError(absl::StrCat("--contact-sheet is ", options.contact_sheet,
                                        ", which is no file; the picture is written there at the end: name a file"));
  }
  return CheckWritable(options.contact_sheet, "--contact-sheet");
}

// The same for each of several videos.
absl::Status CheckAllOutputs(const GenerateOptions& options, size_t prompts) {
  if (prompts == 0) return CheckOutputs(options);
  for (size_t i = 0; i < prompts; ++i) {
    if (absl::Status status = CheckOutputs(NumberedOptions(options, i, prompts)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// One video from its call to its closing figures.
absl::Status MakeVideo(const GenerateOptions& options, VideoClient* client, RunningCalls* calls,
                       ProgressSink* progress) {
  Generation generation(options, client, progress, [calls] { return calls->cancelled(); });
  if (!calls->Add(generation.call())) return absl::CancelledError("interrupted");
  absl::Status status = generation.Run();
  calls->Remove(generation.call());
  if (absl::IsCancelled(status)) {
    status = absl::CancelledError(absl::StrCat("interrupted after ", generation.record().chunks(), " chunks"));
  }
  // Whatever ended it, chunks that have arrived are on disk and playable.
  const absl::Status report =
      generation.record().chunks() > 0 ? Report(options, generation.record()) : absl::OkStatus();
  return status.ok() ? report : status;
}

// Each prompt of a file, some side by side. The first failure, once all have ended.
absl::Status MakeVideos(const GenerateOptions& options, const std::vector<std::string>& prompts, VideoClient* client,
                        RunningCalls* calls) {
  ProgressBoard board(&std::cerr, isatty(STDERR_FILENO) != 0);
  std::atomic<size_t> next = 0;
  Mutex mutex;
  absl::Status first_failure;
  const auto work = [&] {
    for (size_t i = next++; i < prompts.size(); i = next++) {
      GenerateOptions own = NumberedOptions(options, i, prompts.size());
      own.prompt = prompts[i];
      const std::unique_ptr<ProgressSink> line = board.AddLine(own.output);
      line->Note(absl::StrCat("\"", own.prompt, "\""));
      const absl::Status status = MakeVideo(own, client, calls, line.get());
      if (!status.ok()) line->Note(DescribeStatus(status));
      MutexLock lock(&mutex);
      if (first_failure.ok()) first_failure = status;
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 0; i < std::min<size_t>(options.at_once, prompts.size()); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  return first_failure;
}

absl::Status RunGenerate(const GenerateOptions& options) {
  // A line among those of many videos' progress would displace them; the status of what failed says what.
  RouteAvMessages(options.prompts_file.empty() ? &TellOfVideo : [](std::string_view) {});
  std::vector<std::string> prompts;
  if (!options.prompts_file.empty()) {
    absl::StatusOr<std::vector<std::string>> read = ReadPrompts(options.prompts_file);
    if (!read.ok()) return read.status();
    prompts = *std::move(read);
  }
  if (absl::Status writable = CheckAllOutputs(options, prompts.size()); !writable.ok()) return writable;
  RunningCalls calls;
  const InterruptWatcher watcher([&calls] { return calls.CancelAll(); }, [&calls] { return calls.any_open(); });
  const absl::StatusOr<std::unique_ptr<VideoClient>> client =
      VideoClient::Connect(options.server, kConnectTimeout, kLoadTimeout, options.security);
  if (!client.ok()) return client.status();
  if (!prompts.empty()) return MakeVideos(options, prompts, client->get(), &calls);
  ProgressLine progress(&std::cerr, isatty(STDERR_FILENO) != 0);
  return MakeVideo(options, client->get(), &calls, &progress);
}

}  // namespace

Subcommand GenerateSubcommand() {
  CommandText text = {
      "generate", "makes a video of a prompt and writes it as it arrives",
      "Ctrl-C stops the server's work too and leaves a playable file. The example makes eight chunks, with another "
      "prompt from the fifth on, and a contact sheet.",
      "videodiffcr generate --prompt \"a red circle moves right on a blue checkered background\" --chunks 8 \\\n"
      "    --switch 4:\"a green star moves left\" --output circle.mp4 --contact-sheet circle.png"};
  const auto add = [](Command* command) {
    const auto options = std::make_shared<GenerateOptions>();
    AddGenerateFlags(options.get(), command);
    return [options] { return RunGenerate(*options); };
  };
  return {std::move(text), add};
}

}  // namespace videodiffcr
