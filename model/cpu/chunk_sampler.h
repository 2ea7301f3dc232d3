// One step of the few-step rollout of one session (self_forcing_inference.md sections 3 and 4), on the CPU serving
// path.
#ifndef VIDEODIFFCR_MODEL_CPU_CHUNK_SAMPLER_H_
#define VIDEODIFFCR_MODEL_CPU_CHUNK_SAMPLER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "model/cpu/transformer.h"

namespace videodiffcr::cpu {

// Fills `out` with the standard normal values of draw `step` of the current chunk: 0 is the chunk's initial noise, j
// the noise added before denoising step j.
using NoiseSource = std::function<void(int step, FloatBuffer& out)>;

// What a caller may want to know of a pass; all optional.
struct PassObserver {
  double* routing_seconds = nullptr;
  std::function<void(int64_t layer, const std::vector<int32_t>& kept)> on_kept;
  std::function<void(int64_t layer, const float* x)> on_stream;  // PassRequest::on_stream
};

// What a session's generation remembers between steps.
struct SamplerSession {
  explicit SamplerSession(const TransformerConfig& config, const RetentionConfig& retention = {}, uint64_t seed = 0);
  static int64_t Bytes(const TransformerConfig& config, const RetentionConfig& retention = {});

  uint64_t seed;  // of what the cache draws; the rollout's noise is the caller's

  SessionCache cache;
  TextKeys text;
  FloatBuffer latents;  // [chunk frames, C, h, w]: the noisy chunk, after the last step the finished one
  FloatBuffer noise;    // the same shape
};

class ChunkSampler {
 public:
  // `sigmas`: one per denoising step, noisiest first, as fp32 table values.
  ChunkSampler(const CpuTransformer* transformer, const RetentionConfig& retention, std::vector<float> sigmas);

  int steps() const { return static_cast<int>(sigmas_.size()); }

  // Every lane of the team calls this. Step 0 begins the chunk. `table` null: the dense model. Returns the keys that
  // the window dropped to make room (step 0 only), mean over blocks, on rank 0.
  int64_t Denoise(SamplerSession& session, int step, const RetentionTable* table, const NoiseSource& noise,
                  PassScratch& scratch, TeamMember& member, const PassObserver& observer = {}) const;

  // The clean pass over the finished chunk, made at `table`'s budget; its keys and values, as many as the cache keeps
  // at that budget, join the window when the next chunk begins.
  void Context(SamplerSession& session, const RetentionTable* table, PassScratch& scratch, TeamMember& member) const;

  // The same for a chunk that was not made here: `session.latents` are its own. Every lane of the team calls this.
  void Rebuild(SamplerSession& session, const RetentionTable* table, PassScratch& scratch, TeamMember& member) const;

 private:
  // Its share of the lane's team.
  void RotatePast(SamplerSession& session, const TeamMember& member) const;
  void TakeStep(SamplerSession& session, int step, RowRange tokens, const float* flow) const;

  const CpuTransformer* const transformer_;
  const RetentionConfig retention_;
  const std::vector<float> sigmas_;
};

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_CHUNK_SAMPLER_H_
