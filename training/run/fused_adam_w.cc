#include "training/run/fused_adam_w.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>

namespace videodiffcr::training {

void ApplyAdamW(FusedRows rows, const GroupRate& rate, double weight_decay, const AdamWOptions& options) {
  if (rows.weights.empty()) return;
  const at::Tensor number = at::full({}, static_cast<double>(rate.update + 1),
                                     rows.weights[0].options().dtype(at::kFloat).requires_grad(false));
  const std::vector<at::Tensor> numbers(rows.weights.size(), number);
  at::_fused_adamw_(rows.weights, rows.gradients, rows.means, rows.squares, {}, numbers, rate.learning_rate,
                    options.beta1, options.beta2, weight_decay, options.eps, /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace videodiffcr::training
