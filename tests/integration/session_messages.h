// The messages of a session, short to write in a test and short to read.
#ifndef VIDEODIFFCR_TESTS_INTEGRATION_SESSION_MESSAGES_H_
#define VIDEODIFFCR_TESTS_INTEGRATION_SESSION_MESSAGES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tests/fakes/fake_video_model.h"
#include "videodiffcr/v1/video_generation.pb.h"

namespace videodiffcr {

// A config that the small fake model takes. 0 chunks: no end.
v1::SessionConfig SmallConfig(int length_chunks, uint64_t seed = 1);
// The same as raw RGB frames, whose pixels IdentityOf() reads.
v1::SessionConfig RawConfig(int length_chunks, uint64_t seed);
// The session makes that many chunks and is blocked until it gets more credit.
v1::SessionConfig WithChunkCredits(v1::SessionConfig config, int64_t chunks);

v1::StreamVideoRequest ConfigRequest(const v1::SessionConfig& config);
v1::StreamVideoRequest ChunkCreditRequest(int64_t chunks);
v1::StreamVideoRequest ByteCreditRequest(int64_t bytes);
v1::StreamVideoRequest PauseRequest();
v1::StreamVideoRequest UnpauseRequest();
v1::StreamVideoRequest FinishRequest();
v1::StreamVideoRequest PromptRequest(const std::string& prompt, int64_t update_id = 0);
v1::StreamVideoRequest BudgetRequest(double retention_target);
v1::StreamVideoRequest SceneCutRequest(const std::string& prompt, int64_t update_id = 0);

std::vector<v1::VideoChunk> ChunksOf(const std::vector<v1::StreamVideoResponse>& responses);
// What the fake model wrote into the first of the chunk's raw RGB frames.
FrameIdentity IdentityOf(const v1::VideoChunk& chunk);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_INTEGRATION_SESSION_MESSAGES_H_
