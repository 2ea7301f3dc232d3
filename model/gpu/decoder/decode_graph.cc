#include "model/gpu/decoder/decode_graph.h"

#include <ATen/core/grad_mode.h>
#include <ATen/cuda/CUDAGraph.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <c10/util/Exception.h>
#include <cuda_runtime_api.h>

#include <exception>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

// The first run loads kernels and lets cuDNN choose its plans, the second is as all later ones.
constexpr int kRunsBefore = 2;

absl::Status DeviceStatus(cudaError_t error) {
  if (error == cudaSuccess) return absl::OkStatus();
  cudaGetLastError();  // or the thread's next launch would be blamed for it
  return absl::InternalError(absl::StrCat("CUDA: ", cudaGetErrorString(error)));
}

// What `work` returns, or what Torch throws in it, without the many lines of its stack.
absl::Status Guarded(absl::FunctionRef<absl::Status()> work) {
  try {
    return work();
  } catch (const c10::Error& error) {
    return absl::InternalError(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

bool Alike(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() && b.defined() && a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
         a.device() == b.device();
}

}  // namespace

// Not LibTorch's CUDAGraph: after a failed capture that one leaves the allocator as if the capture still went on.
class DecodeGraph::Recording {
 public:
  explicit Recording(c10::cuda::CUDAStream stream) : stream_(stream), pool_(at::cuda::graph_pool_handle()) {}
  ~Recording() {
    if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
    if (holds_pool_) c10::cuda::CUDACachingAllocator::releasePool(stream_.device_index(), pool_);
  }

  cudaStream_t stream() const { return stream_.stream(); }

  // Calls `queue` once while the stream records what it is given instead of running it. Memory comes from a pool of the
  // recording's own: the kernels will use it again at each launch.
  absl::Status Record(absl::FunctionRef<absl::Status()> queue) {
    c10::cuda::CUDACachingAllocator::beginAllocateToPool(
        stream_.device_index(), pool_, [stream = this->stream()](cudaStream_t taker) { return taker == stream; });
    holds_pool_ = true;
    cudaGraph_t recorded = nullptr;
    // By thread: passes may be queued elsewhere at the same time.
    absl::Status status = DeviceStatus(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal));
    if (status.ok()) {
      status = Guarded(queue);
      status.Update(DeviceStatus(cudaStreamEndCapture(stream(), &recorded)));  // whatever has happened
    }
    c10::cuda::CUDACachingAllocator::endAllocateToPool(stream_.device_index(), pool_);
    if (status.ok()) status = DeviceStatus(cudaGraphInstantiate(&graph_, recorded, /*flags=*/0));
    if (recorded != nullptr) cudaGraphDestroy(recorded);
    return status;
  }

  void Launch() const { C10_CUDA_CHECK(cudaGraphLaunch(graph_, stream())); }

 private:
  const c10::cuda::CUDAStream stream_;
  const c10::MempoolId_t pool_;
  bool holds_pool_ = false;
  cudaGraphExec_t graph_ = nullptr;
};

DecodeGraph::DecodeGraph(const VideoDecoder& decoder, const at::Tensor& latents)
    : decoder_(decoder),
      recording_(std::make_unique<Recording>(c10::cuda::getCurrentCUDAStream(latents.device().index()))),
      latents_(at::zeros_like(latents)),
      state_(decoder.NewState()) {
  state_.scene_started = true;
}

DecodeGraph::~DecodeGraph() = default;

absl::StatusOr<std::unique_ptr<DecodeGraph>> DecodeGraph::Record(const VideoDecoder& decoder,
                                                                 const at::Tensor& latents) {
  if (!latents.defined() || !latents.is_cuda()) {
    return absl::InvalidArgumentError("latents: must be on a CUDA device");
  }
  const c10::DeviceIndex device = latents.device().index();
  if (c10::cuda::getCurrentCUDAStream(device) == c10::cuda::getDefaultCUDAStream(device)) {
    return absl::InvalidArgumentError("current stream: must not be the default one, which cannot record");
  }
  const at::NoGradGuard no_gradients;
  const c10::DeviceGuard guard(latents.device());
  std::unique_ptr<DecodeGraph> graph;
  const absl::Status status = Guarded([&] {
    graph = absl::WrapUnique(new DecodeGraph(decoder, latents));
    return graph->Make();
  });
  if (status.ok()) return graph;
  cudaGetLastError();  // as in DeviceStatus()
  return absl::Status(status.code(), absl::StrCat("recording the decode of a chunk: ", status.message()));
}

absl::Status DecodeGraph::Make() {
  const auto decode = [this] {
    absl::StatusOr<at::Tensor> pixels = decoder_.Decode(latents_, state_);
    if (pixels.ok()) pixels_ = *std::move(pixels);
    return pixels.status();
  };
  absl::Status status;
  for (int run = 0; run < kRunsBefore && status.ok(); ++run) status = decode();
  if (status.ok()) status = recording_->Record(decode);
  if (!status.ok()) return status;
  // The first launch takes the graph to the device.
  DecoderState state = decoder_.NewState();
  state.scene_started = true;
  status = Decode(at::zeros_like(latents_), state).status();
  status.Update(DeviceStatus(cudaStreamSynchronize(recording_->stream())));
  return status;
}

bool DecodeGraph::Takes(const at::Tensor& latents, const DecoderState& state) const {
  bool takes = state.scene_started && Alike(latents, latents_) && state.carried.size() == state_.carried.size();
  for (size_t i = 0; takes && i < state.carried.size(); ++i) takes = Alike(state.carried[i], state_.carried[i]);
  return takes;
}

absl::StatusOr<at::Tensor> DecodeGraph::Decode(const at::Tensor& latents, DecoderState& state) {
  if (!Takes(latents, state)) return decoder_.Decode(latents, state);
  const at::NoGradGuard no_gradients;
  latents_.copy_(latents, /*non_blocking=*/true);
  at::_foreach_copy_(state_.carried, state.carried);
  recording_->Launch();
  at::_foreach_copy_(state.carried, state_.carried);
  return pixels_;
}

}  // namespace videodiffcr
