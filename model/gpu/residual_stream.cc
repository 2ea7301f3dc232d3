#include "model/gpu/residual_stream.h"

#include <algorithm>

#include "model/gpu/current_device.h"

namespace videodiffcr::gpu {

using kernels::Element;
using kernels::kMostSegments;
using kernels::ResidualNormCall;
using kernels::RowSet;

ResidualStream::ResidualStream(const Activations& buffers, const TokenChooser& chooser, Precision precision,
                               int64_t dim, float eps)
    : buffers_(buffers), chooser_(chooser), precision_(precision), dim_(dim), eps_(eps) {}

void ResidualStream::AddLater(const RowSet& rows, const RowFactors& gate, const RowFactors& factor) {
  waits_ = true;
  rows_ = rows;
  gate_ = gate;
  factor_ = factor;
}

bool ResidualStream::WaitsForKeptRows() const {
  return waits_ &&
         std::any_of(rows_.kept, rows_.kept + rows_.segments, [](const int32_t* kept) { return kept != nullptr; });
}

void ResidualStream::AddNow() {
  if (!waits_) return;
  ResidualNormCall call = CallOf(rows_);
  TakeWaiting(call);
  kernels::ResidualNorm(call, CurrentStream());
}

void ResidualStream::Norm(const RowSet& rows, const RowFactors& scale, const RowFactors& shift, bool float8) {
  kernels::ResidualNorm(NormCall(rows, scale, shift, float8), CurrentStream());
}

void ResidualStream::NormBeforeProduct(const RowSet& rows, const RowFactors& scale, const RowFactors& shift,
                                       const kernels::OutputBound& bound) {
  ResidualNormCall call = NormCall(rows, scale, shift, /*float8=*/true);
  call.bound = {bound, buffers_.hidden_scale.mutable_data_ptr<float>(),
                buffers_.hidden_shrink.mutable_data_ptr<float>()};
  kernels::ResidualNorm(call, CurrentStream());
}

ResidualNormCall ResidualStream::NormCall(const RowSet& rows, const RowFactors& scale, const RowFactors& shift,
                                          bool float8) {
  ResidualNormCall call = CallOf(rows);
  TakeWaiting(call);
  std::copy_n(scale.of, kMostSegments, call.scale);
  std::copy_n(shift.of, kMostSegments, call.shift);
  call.out_element = float8 ? Element::kFloat8 : ActivationElement(precision_);
  call.out = (float8 ? buffers_.normed8 : buffers_.normed).mutable_data_ptr();
  if (float8) call.out_scale = buffers_.row_scale.mutable_data_ptr<float>();
  return call;
}

void ResidualStream::NormForRouters(const RowSet& all) {
  ResidualNormCall call = CallOf(all);
  TakeWaitingOfAll(call);
  call.out_element = ActivationElement(precision_);
  call.out = buffers_.normed.mutable_data_ptr();
  kernels::ResidualNorm(call, CurrentStream());
}

void ResidualStream::NormForHead(const RowSet& all, const RowFactors& scale, const RowFactors& shift) {
  ResidualNormCall call = CallOf(all);
  TakeWaitingOfAll(call);
  std::copy_n(scale.of, kMostSegments, call.scale);
  std::copy_n(shift.of, kMostSegments, call.shift);
  call.out_element = Element::kFloat32;
  call.out = buffers_.head_normed.mutable_data_ptr();
  kernels::ResidualNorm(call, CurrentStream());
}

ResidualNormCall ResidualStream::CallOf(const RowSet& rows) const {
  ResidualNormCall call;
  call.rows = rows;
  call.width = static_cast<int>(dim_);
  call.eps = eps_;
  call.stream = buffers_.stream.mutable_data_ptr<float>();
  return call;
}

void ResidualStream::TakeWaiting(ResidualNormCall& call) {
  if (!waits_) return;
  call.product_element = ActivationElement(precision_);
  call.product = buffers_.projected.const_data_ptr();
  std::copy_n(rows_.first_row, kMostSegments, call.product_first);
  std::copy_n(gate_.of, kMostSegments, call.gate);
  std::copy_n(factor_.of, kMostSegments, call.factor);
  waits_ = false;
}

void ResidualStream::TakeWaitingOfAll(ResidualNormCall& call) {
  if (!waits_) return;
  TakeWaiting(call);
  for (int i = 0; i < call.rows.segments; ++i) {
    if (rows_.kept[i] == nullptr) continue;
    call.product_row[i] = chooser_.places(i).const_data_ptr<int32_t>();  // those of the block that made the product
  }
}

}  // namespace videodiffcr::gpu
