// The residual stream of a pass: x [rows, D] in fp32, and at most one product that it still lacks.
//
// A block ends each of its branches with a product whose rows are to be added to the stream, and every branch begins
// with a norm of the stream. So that x crosses memory once for both, a product waits until the next norm adds it.
// Invariant: at most one product waits; each reader of the stream adds it first. Who writes the product's buffer again
// must have let it be added before.
#ifndef VIDEODIFFCR_MODEL_GPU_RESIDUAL_STREAM_H_
#define VIDEODIFFCR_MODEL_GPU_RESIDUAL_STREAM_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/gpu/activations.h"
#include "model/gpu/precision.h"
#include "model/gpu/token_chooser.h"
#include "model/kernels/residual_norm.h"
#include "model/kernels/row_set.h"

namespace videodiffcr::gpu {

// A row of factors per session; null entries: ones.
struct RowFactors {
  const float* of[kernels::kMostSegments] = {};
};

// All work is queued on the current stream.
class ResidualStream {
 public:
  // All outlive it. `chooser`: where kept tokens of a waiting product stand among all.
  ResidualStream(const Activations& buffers, const TokenChooser& chooser, Precision precision, int64_t dim, float eps);

  // The stream begins anew, as whoever fills Activations::stream does: nothing waits.
  void Begin() { waits_ = false; }

  // What Activations::projected holds for `rows` belongs to the stream: times `gate` [D] of the session and `factor` of
  // the kept row. Nothing waits when this is called.
  void AddLater(const kernels::RowSet& rows, const RowFactors& gate, const RowFactors& factor);
  // The waiting product is of kept rows alone: a norm of other rows cannot add it.
  bool WaitsForKeptRows() const;
  // Adds what waits, without a norm.
  void AddNow();

  // Adds what waits, which is of `rows` or of nothing, and normalises `rows`: LN(x) (1 + scale) + shift into
  // Activations::normed, or with `float8` into normed8 and row_scale.
  void Norm(const kernels::RowSet& rows, const RowFactors& scale, const RowFactors& shift, bool float8);
  // The same in 8 bits, with scales for a product of what that makes (Activations::hidden_scale and hidden_shrink).
  void NormBeforeProduct(const kernels::RowSet& rows, const RowFactors& scale, const RowFactors& shift,
                         const kernels::OutputBound& bound);
  // The same of all tokens without scale and shift, whatever rows wait.
  void NormForRouters(const kernels::RowSet& all);
  // The same of all tokens in fp32, into Activations::head_normed.
  void NormForHead(const kernels::RowSet& all, const RowFactors& scale, const RowFactors& shift);

 private:
  kernels::ResidualNormCall CallOf(const kernels::RowSet& rows) const;
  kernels::ResidualNormCall NormCall(const kernels::RowSet& rows, const RowFactors& scale, const RowFactors& shift,
                                     bool float8);
  void TakeWaiting(kernels::ResidualNormCall& call);
  void TakeWaitingOfAll(kernels::ResidualNormCall& call);

  const Activations& buffers_;
  const TokenChooser& chooser_;
  const Precision precision_;
  const int64_t dim_;
  const float eps_;

  bool waits_ = false;
  kernels::RowSet rows_;  // of the product that waits
  RowFactors gate_, factor_;
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_RESIDUAL_STREAM_H_
