// What a loaded model can do: everything the scheduler and the server need to know about it, as plain data.
#ifndef VIDEODIFFCR_MODEL_API_MODEL_INFO_H_
#define VIDEODIFFCR_MODEL_API_MODEL_INFO_H_

#include <cstdint>
#include <string>
#include <vector>

namespace videodiffcr {

// A retention budget in tenths: 10 is the dense model, 7 keeps nominally 70 % of the tokens.
using RetentionTenths = int;
inline constexpr RetentionTenths kDenseTenths = 10;

struct RetentionBudget {
  RetentionTenths tenths = kDenseTenths;
  // Rows processed over rows of the dense model, over all blocks and the denoising passes (reference: retention
  // tables).
  double executed = 1.0;
  // Share of a chunk's keys, sink frames not counted, that stays in the cache for later chunks, mean over all blocks.
  double cache = 1.0;
};

// What the model holds on its device for good, by what it is for ("weights", "sessions", "scratch").
struct DeviceMemory {
  std::string kind;
  int64_t bytes = 0;
};

struct ModelInfo {
  std::string name;
  std::string description;
  std::string device;  // "cpu" or "cuda"

  int width = 0;   // pixels
  int height = 0;  // pixels
  int frames_per_second = 16;
  int first_chunk_frames = 9;  // frames of the first chunk of a scene
  int chunk_frames = 12;       // frames of every later chunk
  int denoise_steps = 4;       // passes per chunk, the context pass not counted

  std::vector<RetentionBudget> budgets;  // dense first, then falling
  std::string cache_score;               // by what the keys that stay are chosen; empty: all stay at every budget

  int max_prompt_tokens = 512;
  std::vector<std::string> vocabulary;  // words the model knows; empty: any text
  std::vector<std::string> example_prompts;

  int64_t session_bytes = 0;                // what one session holds at its worst: KV cache, text keys, decoder state
  int64_t kv_cache_bytes = 0;               // the part of session_bytes that is KV cache
  std::vector<DeviceMemory> device_memory;  // empty where the host's memory is the device's
  int session_capacity = 0;  // sessions that fit into the model's own memory; 0: the host's memory is the limit
  int64_t tokens_per_chunk = 0;
  int64_t window_tokens = 0;      // keys a chunk can attend to, its own included
  int64_t latents_per_chunk = 0;  // values
  // Finished chunks that the next one may look back at, rounded up; the first `sink_chunks` of them are the scene's
  // first, the others its latest.
  int window_chunks = 0;
  int sink_chunks = 0;
  int max_sessions_per_plan = 1;  // sessions worth running in one plan on this device
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_API_MODEL_INFO_H_
