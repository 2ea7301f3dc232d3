#include "training/run/bucket_exchange.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {

// Runs within backward(), after it has added to a weight's gradient; on a GPU on a thread of LibTorch's, while that of
// the caller waits.
class BucketExchange::Hook final : public torch::autograd::PostAccumulateGradHook {
 public:
  Hook(BucketExchange* exchange, size_t row) : exchange_(exchange), row_(row) {}
  void operator()(const at::Tensor&) override { exchange_->OnGradient(row_); }

 private:
  BucketExchange* const exchange_;
  const size_t row_;
};

at::Tensor InMemoryOrder(const at::Tensor& tensor) { return tensor.as_strided({tensor.numel()}, {1}); }

BucketExchange::BucketExchange(std::vector<ExchangedRow> rows, const BucketLayout& layout, GradientExchange* exchange)
    : rows_(std::move(rows)), layout_(layout), exchange_(exchange) {
  for (size_t i = 0; i < rows_.size(); ++i) {
    hooked_.push_back(*rows_[i].row.destination);
    torch::autograd::impl::set_post_acc_grad_hooks(hooked_.back(), std::make_unique<Hook>(this, i));
  }
  Reset();
}

BucketExchange::~BucketExchange() {
  for (const at::Tensor& weight : hooked_) torch::autograd::impl::set_post_acc_grad_hooks(weight, nullptr);
}

void BucketExchange::Reset() {
  begun_ = false;
  next_ = 0;
  came_.assign(rows_.size(), false);
  gradients_ = {std::vector<at::Tensor>(layout_.buckets()), std::vector<bool>(rows_.size(), false)};
  missing_.assign(layout_.buckets(), 0);
  for (size_t bucket = 0; bucket < layout_.buckets(); ++bucket) {
    missing_[bucket] = static_cast<int64_t>(layout_.Pieces(bucket).size());
  }
  error_ = absl::OkStatus();
}

void BucketExchange::Begin() { begun_ = true; }

void BucketExchange::OnGradient(size_t row) {
  if (!begun_ || rows_[row].late) return;
  if (came_[row]) {
    error_.Update(absl::InternalError(
        absl::StrCat("the gradient of ", rows_[row].row.name, " came again after it was taken for whole")));
    return;
  }
  came_[row] = true;
  const BucketLayout::Range buckets = layout_.BucketsOf(row);
  for (size_t bucket = buckets.begin; bucket < buckets.end; ++bucket) --missing_[bucket];
  while (next_ < layout_.buckets() && missing_[next_] == 0) Send(next_++);
}

at::Tensor BucketExchange::FlatGradient(size_t row) const {
  const at::Tensor &weight = *rows_[row].row.destination, &gradient = weight.grad();
  if (gradient.strides() == weight.strides()) return InMemoryOrder(gradient);
  return InMemoryOrder(at::empty_like(weight).copy_(gradient));
}

at::Tensor BucketExchange::Pack(size_t bucket) const {
  std::vector<at::Tensor> pieces;
  int64_t end = 0;
  for (const BucketPiece& piece : layout_.Pieces(bucket)) {
    const at::Tensor& weight = *rows_[piece.tensor].row.destination;
    pieces.push_back(weight.grad().defined() ? FlatGradient(piece.tensor).narrow(0, piece.first, piece.count)
                                             : at::zeros({piece.count}, weight.options().requires_grad(false)));
    end = piece.place + piece.count;
  }
  const int64_t padding = layout_.PartElements(bucket) * layout_.ranks() - end;
  pieces.push_back(at::zeros({padding}, pieces[0].options().requires_grad(false)));
  return at::cat(pieces);
}

// After an error nothing is sent any more: the other ranks may be gone or at another place.
void BucketExchange::Send(size_t bucket) {
  const c10::NoGradGuard no_gradients;
  if (error_.ok()) {
    absl::StatusOr<at::Tensor> part = exchange_->ReduceScatterSum(Pack(bucket));
    error_.Update(part.status());
    if (part.ok()) gradients_.parts[bucket] = *std::move(part);
  }
  for (const BucketPiece& piece : layout_.Pieces(bucket)) {
    if (layout_.BucketsOf(piece.tensor).end != bucket + 1) continue;  // the next bucket needs the rest
    at::Tensor& gradient = rows_[piece.tensor].row.destination->mutable_grad();
    gradients_.present[piece.tensor] = gradient.defined();
    gradient = at::Tensor();
  }
}

absl::StatusOr<BucketExchange::Gradients> BucketExchange::Finish() {
  const c10::NoGradGuard no_gradients;
  while (next_ < layout_.buckets()) Send(next_++);
  exchange_->Join();
  Gradients gradients = std::move(gradients_);
  const absl::Status error = error_;
  Reset();
  if (!error.ok()) return error;
  for (at::Tensor& part : gradients.parts) part.div_(static_cast<double>(exchange_->world()));
  return gradients;
}

}  // namespace videodiffcr::training
