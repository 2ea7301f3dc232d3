#include "model/gpu/bypass_runner.h"

#include "model/gpu/current_device.h"
#include "model/gpu/linear.h"
#include "model/kernels/light_bypass.h"

namespace videodiffcr::gpu {

BypassRunner::BypassRunner(int64_t tokens, int64_t rank, int most_sessions) {
  if (rank > 0) hidden_ = EmptyOnGpu({most_sessions, tokens, rank}, at::kFloat);
}

void BypassRunner::See(const GpuBypass& bypass, int session, const at::Tensor& normed) {
  ApplyWide(bypass.down, normed, hidden_[session]);
}

void BypassRunner::Add(const GpuBypass& bypass, int session, const at::Tensor& places, const at::Tensor& stream) const {
  kernels::LightBypassCall call;
  call.tokens = static_cast<int>(stream.size(0));
  call.width = static_cast<int>(stream.size(1));
  call.rank = static_cast<int>(bypass.up.size(0));
  call.hidden = hidden_[session].const_data_ptr<float>();
  call.up = bypass.up.const_data_ptr<float>();
  call.place = places.const_data_ptr<int32_t>();
  call.stream = stream.mutable_data_ptr<float>();
  kernels::LightBypass(call, CurrentStream());
}

}  // namespace videodiffcr::gpu
