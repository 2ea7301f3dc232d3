#include "training/stages/update_energy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <tuple>

#include "model/config/retention_table.h"

namespace videodiffcr::training {

at::Tensor DroppedEnergy(const at::Tensor& stream) {
  const int64_t blocks = stream.size(0) - 1, tokens = stream.size(2);
  std::vector<int64_t> left_out;  // tokens, by tenth
  for (int tenths = 1; tenths <= kDenseTenths; ++tenths) left_out.push_back(tokens - KeptRows(tenths, tokens));
  const at::Tensor places = at::tensor(left_out, at::kLong).to(stream.device());
  std::vector<at::Tensor> of_blocks;
  for (int64_t block = 0; block < blocks; ++block) {
    const at::Tensor after = stream[block + 1];
    const at::Tensor energy = (after - stream[block]).square().sum(-1);  // [clips, N]
    const at::Tensor rising = std::get<0>(energy.sort(/*dim=*/1)).cumsum(1);
    const at::Tensor sums = at::constant_pad_nd(rising, {1, 0});  // [clips, 1 + N]: of the n least
    const at::Tensor whole = after.square().sum({1, 2}).unsqueeze(1);
    of_blocks.push_back((sums.index_select(1, places) / whole).mean(0));
  }
  return at::stack(of_blocks);
}

std::vector<std::vector<double>> LossesOf(const at::Tensor& energies, const RatioRule& rule) {
  const at::Tensor values = energies.to(at::kDouble).cpu().contiguous();
  const auto energy = values.accessor<double, 3>();
  std::vector<std::vector<double>> losses;
  for (int64_t block = 0; block < energy.size(0); ++block) {
    std::vector<double>& of_block = losses.emplace_back();
    for (int ratio = rule.floor_tenths; ratio <= kDenseTenths; ++ratio) {
      double sum = 0;
      for (size_t step = 0; step < rule.step_delta_tenths.size(); ++step) {
        const int tenths = std::clamp(ratio + rule.step_delta_tenths[step], rule.floor_tenths, kDenseTenths);
        sum += energy[block][static_cast<int64_t>(step)][tenths - 1];
      }
      of_block.push_back(sum);
    }
  }
  return losses;
}

}  // namespace videodiffcr::training
