#include "model/gpu/video_model.h"

#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/config/noise_schedule.h"
#include "model/gpu/device_video_model.h"
#include "model/gpu/past_rows.h"
#include "model/gpu/slot_count.h"
#include "model/gpu/weights.h"

namespace videodiffcr::gpu {
namespace {

absl::StatusOr<Precision> PrecisionOf(const std::string& name) {
  if (name == "fp32") return Precision::kFloat32;
  if (name == "bf16") return Precision::kBfloat16;
  if (name == "fp8") return Precision::kFloat8;
  return absl::InvalidArgumentError(absl::StrCat("precision '", name, "': must be fp32, bf16 or fp8"));
}

// Cached keys are as narrow as attention can read them.
kernels::Element KeyElement(const TransformerConfig& config, Precision precision) {
  const bool float8 =
      precision == Precision::kFloat8 && config.rope_positions == RopePositions::kAbsolute &&
      kernels::AttentionTiles(kernels::Element::kFloat8, static_cast<int>(config.head_dim())).query_tile > 0;
  return float8 ? kernels::Element::kFloat8 : ActivationElement(precision);
}

// Queueing a chunk takes the host longer than the device needs for it. The other decoders' kernels are long: a graph
// would gain nothing and keep gigabytes of work space.
bool IsQueuedSlowly(const DecoderConfig& decoder) { return decoder.kind == DecoderKind::kPixelShuffleTaehv; }

// What LibTorch's products keep of their own, 32 MiB for each thread that calls them, and the pixels of a chunk.
constexpr int64_t kSmallWorkSpaceBytes = int64_t{512} << 20;

// Beside the sessions: what a pass works in, what a decode works in, and one decoder state more than there are
// sessions, since a scene's is made before that of the last scene is let go.
int64_t ScratchBytes(const ModelParts& model, Precision precision, kernels::Element key_element, int most_sessions) {
  const TransformerConfig& config = model.config.transformer;
  return Activations::Bytes(ActivationSizesOf(config, precision, key_element, most_sessions)) +
         model.decoder->work_space_bytes(config.chunk_frames) + model.decoder->state_bytes() + kSmallWorkSpaceBytes;
}

// What is really free: blocks that LibTorch keeps for later are given back first.
absl::StatusOr<GpuMemory> AskGpuMemory() {
  c10::cuda::CUDACachingAllocator::emptyCache();
  size_t free_bytes = 0, total_bytes = 0;
  if (cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) {
    return absl::InternalError(absl::StrCat("asking for free GPU memory: ", cudaGetErrorString(cudaGetLastError())));
  }
  return GpuMemory{static_cast<int64_t>(free_bytes), static_cast<int64_t>(total_bytes)};
}

}  // namespace

absl::StatusOr<DeviceAtStart> PrepareDevice(const DeviceOptions& options) {
  const absl::StatusOr<Precision> precision = PrecisionOf(options.precision);
  if (!precision.ok()) return precision.status();
  if (options.sessions < 0 || options.sessions > kMostSessions) {
    return absl::InvalidArgumentError(
        absl::StrCat("sessions ", options.sessions, ": must be between 0 and ", kMostSessions));
  }
  DeviceAtStart start = {options, *precision};
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess ||
      cudaDeviceGetAttribute(&start.processors, cudaDevAttrMultiProcessorCount, device) != cudaSuccess) {
    return absl::FailedPreconditionError(absl::StrCat("device 'cuda': ", cudaGetErrorString(cudaGetLastError()),
                                                      "; is an NVIDIA driver installed and a GPU visible?"));
  }
  if (*precision == Precision::kFloat32) at::globalContext().setAllowTF32CuDNN(false);
  const absl::StatusOr<GpuMemory> memory = AskGpuMemory();
  if (!memory.ok()) return memory.status();
  start.free_bytes = memory->free_bytes;
  return start;
}

ModelPlacement PlacementFor(const DeviceAtStart& device) {
  ModelPlacement placement;
  placement.device = at::kCUDA;
  placement.transformer_type = at::kFloat;
  placement.text_type = placement.decoder_type = ActivationType(device.precision);
  return placement;
}

absl::StatusOr<std::unique_ptr<VideoModel>> MakeVideoModel(ModelParts model, const DeviceAtStart& device) {
  const Precision precision = device.precision;
  const RetentionConfig& retention = model.config.retention;
  if (const absl::Status kept = CheckCacheRetention(model.config.transformer, retention.cache); !kept.ok()) return kept;
  const absl::StatusOr<StepSchedule> schedule = MakeStepSchedule(model.config.sampling);
  if (!schedule.ok()) return schedule.status();
  const TransformerConfig& config = model.config.transformer;
  absl::StatusOr<GpuTransformerWeights> weights =
      MakeGpuWeights(config, model.transformer, schedule->timesteps_and_context(), precision);
  if (!weights.ok()) return weights.status();
  model.transformer = {};  // packed above
  const kernels::Element key_element = KeyElement(config, precision);
  ModelInfo info = DescribeModel(model, "cuda");
  info.kv_cache_bytes = SessionPool::KeyBytes(config, key_element, retention);
  info.session_bytes = SessionPool::SlotBytes(config, precision, key_element, retention) + model.decoder->state_bytes();
  info.max_sessions_per_plan = SessionsPerPass(config);
  const int64_t scratch_bytes = ScratchBytes(model, precision, key_element, info.max_sessions_per_plan);
  const absl::StatusOr<GpuMemory> loaded = AskGpuMemory();
  if (!loaded.ok()) return loaded.status();
  const absl::StatusOr<int> slots = SlotsThatFit(device.options.sessions, info.session_bytes, scratch_bytes, *loaded);
  if (!slots.ok()) return slots.status();
  info.session_capacity = *slots;
  info.device_memory = {{"weights", device.free_bytes - loaded->free_bytes},
                        {"sessions", *slots * info.session_bytes},
                        {"scratch", scratch_bytes}};
  const bool slow_to_queue = IsQueuedSlowly(model.config.decoder);
  auto parts = std::make_unique<GpuParts>(std::move(model), *std::move(weights), *schedule, precision, key_element,
                                          *slots, info.max_sessions_per_plan, device.processors);
  // All of it was packed and laid out on the default stream, for which the model's own streams do not wait.
  if (const cudaError_t error = cudaDeviceSynchronize(); error != cudaSuccess) {
    return absl::InternalError(absl::StrCat("laying the model out on the GPU: ", cudaGetErrorString(error)));
  }
  auto made = std::make_unique<DeviceVideoModel>(std::move(parts), info, device.options.rgb_frames);
  const absl::Status warm = made->WarmUp();
  if (!warm.ok()) return warm;
  if (device.options.decode_graph && slow_to_queue) made->RecordDecode();
  return made;
}

}  // namespace videodiffcr::gpu
