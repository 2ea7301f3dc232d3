#include "training/run/recompute.h"

#include <ATen/core/ivalue.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace videodiffcr::training {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool CarriesGradients(const at::Tensor& tensor) { return tensor.defined() && tensor.requires_grad(); }

// What lies in the graph in place of the activations.
struct HeldFunction final : torch::CustomClassHolder {
  TensorFunction function;
  variable_list entering, used;
};

class RecomputedFunction final : public torch::autograd::Function<RecomputedFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const c10::intrusive_ptr<HeldFunction>& held, at::TensorList) {
    context->saved_data["held"] = c10::IValue::make_capsule(held);
    return held->function(held->entering);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto held = c10::static_intrusive_pointer_cast<HeldFunction>(context->saved_data["held"].toCapsule());
    // Dropped here, not only with the graph: the next block needs the memory.
    const TensorFunction function = std::exchange(held->function, nullptr);
    variable_list entering = std::exchange(held->entering, {});
    const variable_list used = std::exchange(held->used, {});
    TORCH_CHECK(function != nullptr, "backward() was called twice through what it computes again");
    const c10::AutoGradMode with_gradients(true);
    // Cut off from what made them: that is the outer backward's, and `used` may be part of it.
    variable_list inputs;
    for (at::Tensor& tensor : entering) {
      if (!CarriesGradients(tensor)) continue;
      tensor = tensor.detach().set_requires_grad(true);
      inputs.push_back(tensor);
    }
    inputs.insert(inputs.end(), used.begin(), used.end());
    variable_list of_inputs = torch::autograd::grad({function(entering)}, inputs, {gradients[0]},
                                                    /*retain_graph=*/false, /*create_graph=*/false,
                                                    /*allow_unused=*/true);
    of_inputs.insert(of_inputs.begin(), at::Tensor());  // of the function
    return of_inputs;
  }
};

}  // namespace

at::Tensor Recomputed(TensorFunction function, const std::vector<at::Tensor>& entering,
                      const std::vector<at::Tensor>& used) {
  if (!c10::GradMode::is_enabled()) return function(entering);
  const auto held = c10::make_intrusive<HeldFunction>();
  held->entering = entering;
  std::copy_if(used.begin(), used.end(), std::back_inserter(held->used), CarriesGradients);
  variable_list inputs;
  std::copy_if(entering.begin(), entering.end(), std::back_inserter(inputs), CarriesGradients);
  inputs.insert(inputs.end(), held->used.begin(), held->used.end());
  if (inputs.empty()) return function(entering);
  held->function = std::move(function);
  return RecomputedFunction::apply(held, at::TensorList(inputs));
}

}  // namespace videodiffcr::training
