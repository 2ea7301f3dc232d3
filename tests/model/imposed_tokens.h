// Makes one path keep the tokens that another one kept, so that what remains between their videos is arithmetic alone.
#ifndef VIDEODIFFCR_TESTS_MODEL_IMPOSED_TOKENS_H_
#define VIDEODIFFCR_TESTS_MODEL_IMPOSED_TOKENS_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "model/plain/transformer/block.h"
#include "model/plain/transformer/selection.h"

namespace videodiffcr {

// The kept sets of one video, a batch of one: [k] or [1, k] whole numbers per routed block, as the blocks run.
class ImposedTokens {
 public:
  explicit ImposedTokens(std::vector<at::Tensor> kept) : kept_(std::move(kept)) {}
  ImposedTokens(const ImposedTokens&) = delete;

  // Hands the sets out, one a call. This must outlive it.
  TokenSelector Selector() {
    return [this](const at::Tensor& scores, int64_t kept_rows) { return Next(scores, kept_rows); };
  }

  bool all_used() const { return next_ == kept_.size(); }
  int64_t tokens() const { return tokens_; }  // imposed so far
  // Of each token that the path's own scores would have kept and was not imposed, or the other way round: how far its
  // score is from the cut, the middle of the k-th and the next one, in standard deviations of the block's scores.
  // Without a frame floor. fp32 [differing tokens], on the CPU.
  at::Tensor Margins() const { return margins_.empty() ? at::zeros({0}) : at::cat(margins_); }

 private:
  at::Tensor Next(const at::Tensor& scores, int64_t kept_rows) {
    const at::Tensor own = SelectTokens(scores, kept_rows);  // [1, k]
    if (all_used() || kept_[next_].numel() != kept_rows) {
      ADD_FAILURE() << "routed block " << next_ << " of " << kept_.size() << " keeps " << kept_rows << " tokens";
      return own;
    }
    const at::Tensor imposed = kept_[next_++].to(own.options()).view({1, -1});
    tokens_ += kept_rows;
    if (kept_rows < scores.size(1)) RecordMargins(scores, own, imposed);
    return imposed;
  }

  void RecordMargins(const at::Tensor& scores, const at::Tensor& own, const at::Tensor& imposed) {
    const auto mask = [&](const at::Tensor& kept) {
      return at::zeros(scores.sizes(), scores.options().dtype(at::kBool)).scatter(1, kept, 1);
    };
    const at::Tensor falling = std::get<0>(at::sort(scores, /*dim=*/-1, /*descending=*/true));
    const at::Tensor cut = falling.narrow(1, own.size(1) - 1, 2).mean();
    const at::Tensor margins = (scores - cut).abs() / scores.std();
    margins_.push_back(margins.masked_select(mask(own).ne(mask(imposed))).to(at::kCPU));
  }

  const std::vector<at::Tensor> kept_;
  size_t next_ = 0;
  int64_t tokens_ = 0;
  std::vector<at::Tensor> margins_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_MODEL_IMPOSED_TOKENS_H_
