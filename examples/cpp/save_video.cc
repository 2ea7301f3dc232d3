// Saves a video with the installed client library, and nothing else of the project.
//
//   save_video localhost:50051 "a red circle moves right" video.mp4
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>

#include "client/call_status.h"
#include "client/video_client.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "save_video HOST:PORT PROMPT FILE\n");
    return 2;
  }
  const auto client = videodiffcr::VideoClient::Connect(argv[1], absl::Seconds(10));
  if (!client.ok()) {
    std::fprintf(stderr, "%s\n", videodiffcr::DescribeStatus(client.status()).c_str());
    return 1;
  }
  videodiffcr::v1::SessionConfig config;
  config.set_prompt(argv[2]);
  config.set_length_chunks(4);
  const std::unique_ptr<videodiffcr::VideoCall> call = (*client)->StreamVideo(config);
  std::ofstream file(argv[3], std::ios::binary);
  while (const std::optional<videodiffcr::v1::StreamVideoResponse> event = call->Next()) {
    if (event->has_chunk()) file << event->chunk().init_segment() << event->chunk().payload();
  }
  const absl::Status status = call->Finish();
  if (!status.ok()) std::fprintf(stderr, "%s\n", videodiffcr::DescribeStatus(status).c_str());
  return status.ok() && file.good() ? 0 : 1;
}
