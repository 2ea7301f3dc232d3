#include "client/view_command.h"

#include <stdlib.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/child_process.h"
#include "client/interrupt.h"
#include "command_line/flag_reader.h"
#include "command_line/program.h"
#include "system/port_file.h"
#include "system/program_path.h"
#include "system/scratch_folder.h"
#include "system/signals.h"
#include "system/writable.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

namespace fs = std::filesystem;

constexpr char kPagePort[] = "http_port";

struct ViewOptions {
  std::string server;  // empty: one is started
  std::string model_folder;
  std::string listen = "127.0.0.1:0";
  std::string port_file;
  bool open = true;
};

// Waits a moment; whether somebody wants an end. RunView() has blocked the signals.
bool ToldToStop() { return TakeSignal(StopSignals(), absl::Milliseconds(20)); }

absl::Status Interrupted() { return absl::CancelledError("stopped"); }

absl::Status HasEnded(const std::string& name, int exit_status) {
  return absl::UnavailableError(
      absl::StrCat(name, " has ended with exit status ", exit_status, "; what it said stands above"));
}

// Looks at the port file until the program has written it. The port of `key`.
absl::StatusOr<int> WaitForPort(const std::string& name, const std::string& port_file, const std::string& key,
                                ChildProcess* process) {
  while (true) {
    absl::StatusOr<int> port = ReadPortFile(port_file, key);
    if (!absl::IsNotFound(port.status())) return port;
    if (const auto status = process->exit_status(); status.has_value()) return HasEnded(name, *status);
    if (ToldToStop()) return Interrupted();
  }
}

// Programs of ours beside this one, and what they were started for.
class View {
 public:
  View(const ViewOptions& options, std::string program_folder, ScratchFolder scratch)
      : options_(options), program_folder_(std::move(program_folder)), scratch_(std::move(scratch)) {}

  absl::Status Run() {
    std::string server = options_.server;
    if (server.empty()) {
      const absl::StatusOr<int> port = StartServer();
      if (!port.ok()) return port.status();
      server = absl::StrCat("127.0.0.1:", *port);
    }
    const absl::StatusOr<int> port = StartGateway(server);
    if (!port.ok()) return port.status();
    if (!options_.port_file.empty()) {
      if (absl::Status kept = WritePortFile(options_.port_file, {{kPagePort, *port}}); !kept.ok()) return kept;
    }
    const std::string url = absl::StrCat("http://localhost:", *port, "/");
    const absl::Status told = WriteText(absl::StrCat("The page is at ", url, " (Ctrl-C ends it)\n"), std::cout);
    if (!told.ok()) return told;
    if (options_.open) Open(url);
    while (!ToldToStop()) {
      for (const auto& [name, process] :
           {std::pair("videodiffcr-server", server_.get()), std::pair("videodiffcr-gateway", gateway_.get())}) {
        if (process == nullptr) continue;
        if (const auto status = process->exit_status(); status.has_value()) return HasEnded(name, *status);
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<int> StartServer() {
    const std::string model = options_.model_folder.empty() ? FindTinyModel(program_folder_) : options_.model_folder;
    if (model.empty()) {
      return WrongUsageError("there is no tiny model beside this program: name a model with --model-folder");
    }
    const std::string ports = scratch_.path() + "/server";
    auto process =
        ChildProcess::Start({program_folder_ + "/videodiffcr-server", "--model-folder=" + model, "--listen=127.0.0.1:0",
                             "--metrics-listen=", "--port-file=" + ports, "--drain-timeout=1s", "--behind-proxy"});
    if (!process.ok()) return process.status();
    server_ = *std::move(process);
    return WaitForPort("videodiffcr-server", ports, "grpc_port", server_.get());
  }

  // Its port file is ours alone: in that of --port-file another run's port may stand.
  absl::StatusOr<int> StartGateway(const std::string& server) {
    const std::string ports = scratch_.path() + "/gateway";
    auto process = ChildProcess::Start({program_folder_ + "/videodiffcr-gateway", "--server=" + server,
                                        "--listen=" + options_.listen, "--metrics-listen=", "--port-file=" + ports});
    if (!process.ok()) return process.status();
    gateway_ = *std::move(process);
    return WaitForPort("videodiffcr-gateway", ports, kPagePort, gateway_.get());
  }

  // A desktop may have no browser, and a server has no desktop: the address is printed already.
  void Open(const std::string& url) {
    if (getenv("DISPLAY") == nullptr && getenv("WAYLAND_DISPLAY") == nullptr) return;
    auto opener = ChildProcess::Start({"xdg-open", url});
    if (opener.ok()) opener_ = *std::move(opener);
  }

  const ViewOptions options_;
  const std::string program_folder_;
  const ScratchFolder scratch_;
  std::unique_ptr<ChildProcess> server_;
  std::unique_ptr<ChildProcess> gateway_;  // goes before the server
  std::unique_ptr<ChildProcess> opener_;
};

absl::Status RunView(const ViewOptions& options) {
  if (!options.port_file.empty()) {
    if (absl::Status place = CheckWritable(options.port_file, "--port-file"); !place.ok()) return place;
  }
  absl::StatusOr<ScratchFolder> scratch = ScratchFolder::Make("videodiffcr-view");
  if (!scratch.ok()) return scratch.status();
  BlockInterrupts();
  const absl::StatusOr<std::string> programs = FolderOfThisProgram();
  if (!programs.ok()) return programs.status();
  return View(options, *programs, *std::move(scratch)).Run();
}

}  // namespace

std::string FindTinyModel(const std::string& program_folder) {
  for (const char* beside : {"/../../../models/tiny", "/../share/videodiffcr/models/tiny"}) {
    std::error_code error;
    const fs::path folder = fs::canonical(program_folder + beside, error);
    if (!error && fs::exists(folder / "config.json")) return folder.string();
  }
  return "";
}

Subcommand ViewSubcommand() {
  CommandText text = {
      "view", "opens a page that generates and plays videos",
      "It starts a server with the tiny model and a gateway, opens the page in a browser where there is "
      "one, and ends both with Ctrl-C.",
      "videodiffcr view"};
  const auto add = [](Command* command) {
    const auto options = std::make_shared<ViewOptions>();
    command->AddFlag({"server", "HOST:PORT", "A server that runs already; empty, as it is by default: one is started.",
                      "gpu-7:50051"},
                     ReadServerAddressOrNone(&options->server));
    command->AddFlag({"model-folder", "FOLDER", "The started server's model; empty: the tiny model.", "models/tiny"},
                     ReadString(&options->model_folder));
    command->AddFlag({"listen", "HOST:PORT", "Address of the page; port 0 takes a free one.", "0.0.0.0:8080"},
                     ReadListenAddress(&options->listen));
    command->AddFlag({"port-file", "FILE", "File to write the page's port to (http_port=N); empty: none.", "port"},
                     ReadString(&options->port_file));
    command->AddSwitch("open", "Open the page in a browser.", &options->open);
    return [options] { return RunView(*options); };
  };
  return {std::move(text), add};
}

}  // namespace videodiffcr
