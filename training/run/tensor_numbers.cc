#include "training/run/tensor_numbers.h"

namespace videodiffcr::training {

std::vector<double> NumbersOf(const at::Tensor& tensor) {
  const at::Tensor numbers = tensor.detach().to(at::kDouble).cpu().contiguous();
  return {numbers.const_data_ptr<double>(), numbers.const_data_ptr<double>() + numbers.numel()};
}

}  // namespace videodiffcr::training
