// The VideoModel of video_model.h, of parts that are loaded already. Behind that factory: Torch and CUDA show here.
//
// Streams: passes and prompts on one, decodes on another of higher priority, which waits for a chunk's last pass by an
// event, and as urgent a third for copies of latents to the host, which must not wait where decodes do. Memory belongs
// to the stream it was taken on; a chunk's latents, the one thing that crosses over, are recorded on the decodes' or
// held until their copy is there.
//
// Note: [Decoder states have a stream of their own]. LibTorch gives memory that is free again to whoever asks on the
// same stream, also a part of a large block. A session keeps its decoder state; taken on the decode stream, it would
// lie in a part of the work space that no decode holds just then, and the next decode would ask the driver for another
// (1.4 GiB at the real shape). So states are taken on a stream that nothing else takes memory on.
//
// Threads: each stream's work is queued by a thread of the model's own, from the warm-up on (model/gpu/side_thread.h);
// whoever calls waits. What LibTorch keeps by thread, gradient mode and current stream among it, is set there.
#ifndef VIDEODIFFCR_MODEL_GPU_DEVICE_VIDEO_MODEL_H_
#define VIDEODIFFCR_MODEL_GPU_DEVICE_VIDEO_MODEL_H_

#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "model/api/video_model.h"
#include "model/config/noise_schedule.h"
#include "model/gpu/chunk_sampler.h"
#include "model/gpu/decoder/decode_graph.h"
#include "model/gpu/decoder/frame_download.h"
#include "model/gpu/device_event.h"
#include "model/gpu/device_health.h"
#include "model/gpu/session_pool.h"
#include "model/gpu/side_thread.h"
#include "model/gpu/text/packed_text_encoder.h"
#include "model/gpu/transformer.h"
#include "model/gpu/weights.h"
#include "model/plain/model_parts.h"

namespace videodiffcr::gpu {

struct GpuParts {
  GpuParts(ModelParts parts, GpuTransformerWeights weights, const StepSchedule& schedule, Precision precision,
           kernels::Element key_element, int slots, int plan_sessions, int processors)
      : model(std::move(parts)),
        text(model.config.text_encoder, std::move(model.text_encoder), model.config.transformer.text_len),
        pool(model.config.transformer, precision, key_element, slots, model.config.retention),
        transformer(model.config.transformer, model.config.retention, std::move(weights), precision, key_element,
                    plan_sessions, processors),
        engine(model.config.transformer, model.config.retention, schedule, &transformer, &pool) {}
  ModelParts model;  // its text encoder and transformer have moved on, packed
  PackedTextEncoder text;
  SessionPool pool;
  GpuTransformer transformer;
  ChunkSampler engine;
};

class DeviceVideoModel final : public VideoModel {
 public:
  // `parts` is done on the device: the model's streams do not wait for those that it was made on.
  // `rgb_frames`: frames leave as RGB even where YUV 4:2:0 fits.
  DeviceVideoModel(std::unique_ptr<GpuParts> parts, ModelInfo info, bool rgb_frames);
  ~DeviceVideoModel() override;

  const ModelInfo& info() const override { return info_; }
  absl::Status health() const override { return health_.status(); }
  absl::StatusOr<PromptCheck> CheckPrompt(std::string_view prompt) const override;
  absl::Status BeginSession(SessionId session, uint64_t seed) override;
  void EndSession(SessionId session) override;
  std::vector<StepOutcome> Run(const StepPlan& plan) override;
  absl::StatusOr<FrameChunk> Decode(LatentChunk& latents) override;

  // The first two chunks of a scene at every budget, decoded.
  absl::Status WarmUp();
  // From now on chunks are decoded as one launch. Where that cannot be, stderr says why and all stays as it is. Before
  // the first session begins.
  void RecordDecode();

 private:
  struct Session {
    int slot = 0;
    uint64_t seed = 0;
    std::shared_ptr<DecoderState> decoder_state;
  };
  struct FinishedLatents;

  // What BeginSession() and Run() do, on pass_thread_.
  absl::Status QueueSession(SessionId session, uint64_t seed);
  std::vector<StepOutcome> QueuePlan(const StepPlan& plan);

  const ModelConfig& config() const { return parts_->model.config; }
  // What encoders take without another conversion, where chroma of half the size fits.
  PixelFormat FrameFormat() const {
    const bool fits = info_.width % 2 == 0 && info_.height % 2 == 0;
    return fits && !rgb_frames_ ? PixelFormat::kYuv420p : PixelFormat::kRgb24;
  }
  std::shared_ptr<DecoderState> NewDecoderState();
  // What sessions take beside their slots, for all slots at once. Given back it stays in LibTorch's caches, so that no
  // session waits for the driver later.
  absl::Status FillCaches();
  // Prompts of every length up to 64 tokens and of every 64th beyond, into the slot: products of another number of rows
  // may be other kernels, and LibTorch's libraries bring a kernel to the device when it is first called.
  absl::Status WarmUpText(int slot);
  absl::Status EncodePrompt(const PlannedStep& step, Session& session);
  // Into the slot, for a chunk that was made elsewhere.
  absl::Status FillLatents(const HalfLatents& given, int slot);
  // A copy of the slot's latents, the finished chunk.
  std::unique_ptr<LatentChunk> HandOut(SessionId session, int slot);
  // Fills `chunk_step`; an error belongs to this step alone.
  absl::Status Prepare(const PlannedStep& step, ChunkStep& chunk_step);
  void FinishStep(const PlannedStep& step, const ChunkStep& chunk_step, StepOutcome& outcome);
  absl::StatusOr<at::Tensor> DecodeLatents(FinishedLatents& finished);
  absl::StatusOr<QueuedFrames> QueueDecode(FinishedLatents& finished);

  const std::unique_ptr<GpuParts> parts_;
  const ModelInfo info_;
  const bool rgb_frames_;
  DeviceHealth health_;
  const c10::cuda::CUDAStream engine_stream_, decode_stream_, state_stream_, latents_stream_;
  std::unique_ptr<DecodeGraph> decode_graph_;  // used by decode_thread_ alone; null: decoded kernel by kernel
  DeviceEvent last_run_;
  std::vector<int> free_slots_;
  std::map<SessionId, Session> sessions_;
  SideThread pass_thread_;    // queues all sessions' starts, prompts and passes
  SideThread decode_thread_;  // queues all decodes, one after the other; their callers wait for the device themselves
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_DEVICE_VIDEO_MODEL_H_
