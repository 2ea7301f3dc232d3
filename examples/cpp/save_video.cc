// Saves a video with the installed client library, and nothing else of the project. Half way the prompt changes.
// Several servers, with commas between them, are one: where one is lost, another goes on.
//
//   save_video localhost:50051 "a red circle moves right" "a green star moves left" video.mp4
#include <client/call_status.h>
#include <client/video_client.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <system_error>

namespace {

namespace v1 = videodiffcr::v1;

constexpr int32_t kChunks = 8;

int Fail(const absl::Status& status) {
  std::cerr << videodiffcr::DescribeStatus(status) << '\n';
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: save_video HOST:PORT PROMPT NEW_PROMPT FILE\n";
    return 2;
  }
  const auto client = videodiffcr::VideoClient::Connect(argv[1], absl::Seconds(10));
  if (!client.ok()) return Fail(client.status());
  v1::SessionConfig config;
  config.set_prompt(argv[2]);
  config.set_length_chunks(kChunks);
  config.set_run_ahead_limit_chunks(1);
  std::ofstream file;
  std::uintmax_t whole_bytes = 0;
  const std::unique_ptr<videodiffcr::VideoCall> call = (*client)->StreamVideo(config);
  while (const std::optional<v1::StreamVideoResponse> event = call->Next()) {
    if (event->has_update_applied()) {
      std::cout << "the new prompt shows from chunk " << event->update_applied().first_chunk() << " on\n";
    }
    if (!event->has_chunk()) continue;
    const v1::VideoChunk& chunk = event->chunk();
    // Not before: a refused call leaves an older file alone.
    if (!file.is_open()) file.open(argv[4], std::ios::binary);
    file << chunk.init_segment() << chunk.payload() << std::flush;
    if (!file) {  // on a full disk half of it may be there: what is kept stays playable
      call->Cancel();
      std::error_code ignored;
      if (std::filesystem::is_regular_file(argv[4], ignored)) {
        std::filesystem::resize_file(argv[4], whole_bytes, ignored);
      }
      break;
    }
    whole_bytes += chunk.init_segment().size() + chunk.payload().size();
    if (chunk.sequence() == kChunks / 2 - 1) {
      v1::StreamVideoRequest request;
      request.mutable_update()->set_prompt(argv[3]);
      call->Send(request);
    }
  }
  const absl::Status status = call->Finish();
  if (!file) {
    std::cerr << argv[4] << " cannot be written\n";
    return 1;
  }
  return status.ok() ? 0 : Fail(status);
}
