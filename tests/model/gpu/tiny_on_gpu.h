// The tiny model on a GPU, and the videos that it makes there when nobody schedules.
#ifndef VIDEODIFFCR_TESTS_MODEL_GPU_TINY_ON_GPU_H_
#define VIDEODIFFCR_TESTS_MODEL_GPU_TINY_ON_GPU_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/load/create_video_model.h"

namespace videodiffcr {

// With room for three sessions on a GPU.
VideoModelOptions TinyOptions(const std::string& device, const std::string& precision);
// Fails the test when it cannot be loaded.
std::unique_ptr<VideoModel> Load(const VideoModelOptions& options);

// What one session makes.
struct Video {
  SessionId session = 0;
  RetentionTenths budget = kDenseTenths;
  std::vector<FrameChunk> chunks;
  std::vector<std::pair<int64_t, int64_t>> past_keys;  // of each chunk: past_keys and past_keys_whole of its first pass
};

// `chunks` chunks of each video, all in one plan per step, with the same prompt and seed. Fails the test when a step or
// a decode does.
std::vector<Video> Generate(VideoModel& model, std::vector<Video> videos, int chunks);

// The step of one session, for plans made by hand.
PlannedStep StepOf(SessionId session, StepKind kind, int chunk, int step, RetentionTenths budget = kDenseTenths);

// Begins the session and denoises its first chunk: latents that nobody has decoded yet. Fails the test when a step
// does.
std::unique_ptr<LatentChunk> FirstLatents(VideoModel& model, SessionId session);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_MODEL_GPU_TINY_ON_GPU_H_
