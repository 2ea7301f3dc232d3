#include "client/generate_command.h"

#include <unistd.h>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/change_schedule.h"
#include "client/generate_options.h"
#include "client/generation_record.h"
#include "client/interrupt.h"
#include "client/progress_line.h"
#include "client/video_client.h"
#include "client/video_output.h"
#include "media/contact_sheet.h"
#include "system/steady_time.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(5);

// One generation from its first event to its last.
class Generation {
 public:
  Generation(const GenerateOptions& options, VideoClient* client)
      : options_(options),
        schedule_(options.changes, options.chunks),
        record_(options, SteadyNow()),
        progress_(&std::cerr, isatty(STDERR_FILENO) != 0),
        call_(client->StreamVideo(ToSessionConfig(options), MendBreaks())) {}

  // From any thread.
  void Cancel() { call_->Cancel(); }

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
      progress_.Note(absl::StrCat("the connection broke off (", status.message(), "); asking for the session again"));
    };
    return options;
  }

  absl::Status Handle(const v1::StreamVideoResponse& event) {
    switch (event.response_case()) {
      case v1::StreamVideoResponse::kStarted:
        return HandleStarted(event.started());
      case v1::StreamVideoResponse::kChunk:
        return HandleChunk(event.chunk());
      case v1::StreamVideoResponse::kUpdateApplied:
        progress_.Note(absl::StrCat("the change for chunk ", event.update_applied().update_id(),
                                    " takes effect at chunk ", event.update_applied().first_chunk()));
        return schedule_.CheckApplied(event.update_applied());
      case v1::StreamVideoResponse::kStateChanged:
        if (event.state_changed().state() == v1::SESSION_STATE_WAITING) {
          progress_.Note("the server is busy: waiting for a place");
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
    return absl::OkStatus();
  }

  absl::Status HandleChunk(const v1::VideoChunk& chunk) {
    if (!output_.has_value()) {
      return absl::InternalError("the server sent a chunk before it said that the session has started");
    }
    for (const v1::StreamVideoRequest& request : schedule_.AfterChunk(chunk.sequence())) call_->Send(request);
    // In one piece, so that an interrupt never leaves an init segment or half a fragment.
    const absl::Status status = output_->Write(chunk.init_segment() + chunk.payload());
    if (status.ok()) {
      const absl::Time now = SteadyNow();
      record_.AddChunk(chunk, now);
      progress_.Show(FormatProgress(record_.Progress()), now);
    }
    return status;
  }

  const GenerateOptions& options_;
  const ChangeSchedule schedule_;
  GenerationRecord record_;
  ProgressLine progress_;
  std::optional<VideoOutput> output_;
  const std::unique_ptr<VideoCall> call_;  // last: it tells the others
};

absl::Status Report(const GenerateOptions& options, const GenerationRecord& record) {
  std::ostream& out = options.to_standard_output() ? std::cerr : std::cout;
  out << (options.to_standard_output() ? "standard output" : options.output) << ": " << record.Summary() << std::flush;
  if (options.contact_sheet.empty()) return absl::OkStatus();
  ContactSheetOptions sheet;
  sheet.captions = record.PromptLines();
  const absl::Status status = WriteContactSheet(options.output, options.contact_sheet, sheet);
  if (status.ok()) out << "  contact sheet        " << options.contact_sheet << std::endl;
  return status;
}

// Before anything is generated that could not be kept.
absl::Status CheckOutputs(const GenerateOptions& options) {
  if (!options.to_standard_output()) {
    if (absl::Status status = CheckWritable(options.output, "--output"); !status.ok()) return status;
  }
  return options.contact_sheet.empty() ? absl::OkStatus() : CheckWritable(options.contact_sheet, "--contact-sheet");
}

absl::Status RunGenerate(const GenerateOptions& options) {
  if (absl::Status writable = CheckOutputs(options); !writable.ok()) return writable;
  const absl::StatusOr<std::unique_ptr<VideoClient>> client = VideoClient::Connect(options.server, kConnectTimeout);
  if (!client.ok()) return client.status();
  Generation generation(options, client->get());
  absl::Status status;
  {
    const InterruptWatcher watcher([&generation] { generation.Cancel(); });
    status = generation.Run();
    if (watcher.interrupted()) {
      status = absl::CancelledError(absl::StrCat("interrupted after ", generation.record().chunks(), " chunks"));
    }
  }
  // Whatever ended it, chunks that have arrived are on disk and playable.
  const absl::Status report =
      generation.record().chunks() > 0 ? Report(options, generation.record()) : absl::OkStatus();
  return status.ok() ? report : status;
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
