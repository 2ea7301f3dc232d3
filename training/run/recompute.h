// Activations that backward() computes again instead of finding them kept: memory for time.
#ifndef VIDEODIFFCR_TRAINING_RUN_RECOMPUTE_H_
#define VIDEODIFFCR_TRAINING_RUN_RECOMPUTE_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace videodiffcr::training {

using TensorFunction = std::function<at::Tensor(const std::vector<at::Tensor>& entering)>;

// function(entering), whose graph is forgotten: backward() calls it once more, and gradients go on to what is
// `entering` and to what it has `used` besides, weights for example. These must be all the tensors that carry gradients
// to it; they may be undefined; none of `used` may be made of another one of them. The function must give the same
// values both times, so it draws nothing and chooses nothing by itself; what it holds lives until backward(), which can
// be called once.
at::Tensor Recomputed(TensorFunction function, const std::vector<at::Tensor>& entering,
                      const std::vector<at::Tensor>& used);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_RECOMPUTE_H_
