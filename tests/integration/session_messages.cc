#include "tests/integration/session_messages.h"

namespace videodiffcr {

v1::SessionConfig SmallConfig(int length_chunks, uint64_t seed) {
  v1::SessionConfig config;
  config.set_prompt("a red circle moves right");
  config.set_length_chunks(length_chunks);
  config.set_seed(seed);
  return config;
}

v1::SessionConfig RawConfig(int length_chunks, uint64_t seed) {
  v1::SessionConfig config = SmallConfig(length_chunks, seed);
  config.mutable_output()->set_codec(v1::CODEC_RAW_RGB24);
  return config;
}

v1::SessionConfig WithChunkCredits(v1::SessionConfig config, int64_t chunks) {
  config.set_initial_chunk_credits(chunks);
  return config;
}

v1::StreamVideoRequest ConfigRequest(const v1::SessionConfig& config) {
  v1::StreamVideoRequest request;
  *request.mutable_config() = config;
  return request;
}

v1::StreamVideoRequest ChunkCreditRequest(int64_t chunks) {
  v1::StreamVideoRequest request;
  request.mutable_credit()->set_chunks(chunks);
  return request;
}

v1::StreamVideoRequest ByteCreditRequest(int64_t bytes) {
  v1::StreamVideoRequest request;
  request.mutable_credit()->set_bytes(bytes);
  return request;
}

v1::StreamVideoRequest PauseRequest() {
  v1::StreamVideoRequest request;
  request.mutable_pause();
  return request;
}

v1::StreamVideoRequest UnpauseRequest() {
  v1::StreamVideoRequest request;
  request.mutable_unpause();
  return request;
}

v1::StreamVideoRequest FinishRequest() {
  v1::StreamVideoRequest request;
  request.mutable_finish();
  return request;
}

v1::StreamVideoRequest PromptRequest(const std::string& prompt, int64_t update_id) {
  v1::StreamVideoRequest request;
  request.mutable_update()->set_prompt(prompt);
  request.mutable_update()->set_update_id(update_id);
  return request;
}

v1::StreamVideoRequest BudgetRequest(double retention_target) {
  v1::StreamVideoRequest request;
  request.mutable_update()->set_retention_target(retention_target);
  return request;
}

v1::StreamVideoRequest SceneCutRequest(const std::string& prompt, int64_t update_id) {
  v1::StreamVideoRequest request;
  request.mutable_scene_cut()->set_prompt(prompt);
  request.mutable_scene_cut()->set_update_id(update_id);
  return request;
}

std::vector<v1::VideoChunk> ChunksOf(const std::vector<v1::StreamVideoResponse>& responses) {
  std::vector<v1::VideoChunk> chunks;
  for (const v1::StreamVideoResponse& response : responses) {
    if (response.has_chunk()) chunks.push_back(response.chunk());
  }
  return chunks;
}

FrameIdentity IdentityOf(const v1::VideoChunk& chunk) {
  const ModelInfo info = FakeVideoModel::SmallInfo();
  FrameChunk frames;
  frames.width = info.width;
  frames.height = info.height;
  frames.frame_count = chunk.frame_count();
  frames.pixels.assign(chunk.payload().begin(), chunk.payload().end());
  return ReadFrameIdentity(frames, 0);
}

}  // namespace videodiffcr
