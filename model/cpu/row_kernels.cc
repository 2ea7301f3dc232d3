#include "model/cpu/row_kernels.h"

#include <cmath>
#include <cstring>

// The loops are written so that the compiler vectorises them; the dynamic linker picks the widest version the processor
// has. Sanitizers and clang build the plain version only.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define VIDEODIFFCR_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define VIDEODIFFCR_VECTOR_CLONES
#endif

// The iterations of the next loop do not depend on each other even where input and output are the same array.
#if defined(__GNUC__) && !defined(__clang__)
#define VIDEODIFFCR_INDEPENDENT _Pragma("GCC ivdep")
#else
#define VIDEODIFFCR_INDEPENDENT
#endif

namespace videodiffcr::cpu {
namespace {

// exp(x) to about 2 units in the last place: x = n ln 2 + r, then a polynomial in r (Cephes expf).
inline __attribute__((always_inline)) float Exp(float x) {
  x = x < -87.0f ? -87.0f : (x > 88.0f ? 88.0f : x);
  const float n = __builtin_rintf(x * 1.44269504088896341f);
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof(power));
  return p * power;
}

// Mean and reciprocal deviation of one row; two passes, so that large means cost no precision.
inline __attribute__((always_inline)) void RowMoments(const float* x, int64_t dim, float eps, float* mean,
                                                      float* reciprocal_deviation) {
  float sum = 0;
  for (int64_t i = 0; i < dim; ++i) sum += x[i];
  const float m = sum / static_cast<float>(dim);
  float squares = 0;
  for (int64_t i = 0; i < dim; ++i) squares += (x[i] - m) * (x[i] - m);
  *mean = m;
  *reciprocal_deviation = 1.0f / std::sqrt(squares / static_cast<float>(dim) + eps);
}

}  // namespace

VIDEODIFFCR_VECTOR_CLONES
void LayerNorm(const float* x, const float* scale, const float* shift, int64_t rows, int64_t dim, float eps,
               float* out) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = x + r * dim;
    float* row_out = out + r * dim;
    float mean, factor;
    RowMoments(row, dim, eps, &mean, &factor);
    if (scale == nullptr) {
      VIDEODIFFCR_INDEPENDENT
      for (int64_t i = 0; i < dim; ++i) row_out[i] = (row[i] - mean) * factor;
    } else {
      VIDEODIFFCR_INDEPENDENT
      for (int64_t i = 0; i < dim; ++i) row_out[i] = (row[i] - mean) * factor * scale[i] + shift[i];
    }
  }
}

VIDEODIFFCR_VECTOR_CLONES
void AddGated(const float* y, const float* bias, const float* gate, const float* factor, int64_t rows, int64_t dim,
              float* x) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = y + r * dim;
    float* row_out = x + r * dim;
    const float row_factor = factor == nullptr ? 1.0f : factor[r];
    if (gate == nullptr) {
      VIDEODIFFCR_INDEPENDENT
      for (int64_t i = 0; i < dim; ++i) row_out[i] += row_factor * (row[i] + bias[i]);
    } else {
      VIDEODIFFCR_INDEPENDENT
      for (int64_t i = 0; i < dim; ++i) row_out[i] += gate[i] * (row_factor * (row[i] + bias[i]));
    }
  }
}

VIDEODIFFCR_VECTOR_CLONES
void BiasedRmsNorm(const float* y, int64_t y_stride, const float* bias, const float* weight, int64_t rows, int64_t dim,
                   float eps, float* out, int64_t out_stride) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = y + r * y_stride;
    float* row_out = out + r * out_stride;
    float squares = 0;
    for (int64_t i = 0; i < dim; ++i) squares += (row[i] + bias[i]) * (row[i] + bias[i]);
    const float factor = 1.0f / std::sqrt(squares / static_cast<float>(dim) + eps);
    VIDEODIFFCR_INDEPENDENT
    for (int64_t i = 0; i < dim; ++i) row_out[i] = (row[i] + bias[i]) * factor * weight[i];
  }
}

VIDEODIFFCR_VECTOR_CLONES
void AddBias(const float* y, int64_t y_stride, const float* bias, int64_t rows, int64_t dim, float* out,
             int64_t out_stride) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = y + r * y_stride;
    float* row_out = out + r * out_stride;
    VIDEODIFFCR_INDEPENDENT
    for (int64_t i = 0; i < dim; ++i) row_out[i] = row[i] + bias[i];
  }
}

VIDEODIFFCR_VECTOR_CLONES
void Rotate(const float* x, const float* cos, const float* sin, const int32_t* token_of_row, int64_t rows,
            int64_t heads, int64_t head_dim, float* out) {
  const int64_t pairs = head_dim / 2;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t token = token_of_row == nullptr ? r : token_of_row[r];
    const float* row_cos = cos + token * pairs;
    const float* row_sin = sin + token * pairs;
    for (int64_t h = 0; h < heads; ++h) {
      const float* in = x + (r * heads + h) * head_dim;
      float* to = out + (r * heads + h) * head_dim;
      VIDEODIFFCR_INDEPENDENT
      for (int64_t j = 0; j < pairs; ++j) {
        const float a = in[2 * j], b = in[2 * j + 1];
        to[2 * j] = a * row_cos[j] - b * row_sin[j];
        to[2 * j + 1] = a * row_sin[j] + b * row_cos[j];
      }
    }
  }
}

VIDEODIFFCR_VECTOR_CLONES
void BiasedGelu(const float* bias, int64_t rows, int64_t dim, float* y) {
  for (int64_t r = 0; r < rows; ++r) {
    float* row = y + r * dim;
    VIDEODIFFCR_INDEPENDENT
    for (int64_t i = 0; i < dim; ++i) {
      const float v = row[i] + bias[i];
      // 0.5 (1 + tanh u) = 1 / (1 + exp(-2u)), u = sqrt(2/pi) (v + 0.044715 v^3)
      const float twice_u = 1.5957691216057308f * (v + 0.044715f * v * v * v);
      row[i] = v / (1.0f + Exp(-twice_u));
    }
  }
}

VIDEODIFFCR_VECTOR_CLONES
void Softmax(int64_t rows, int64_t keys, int64_t stride, float scale, float last_key_bias, float* logits) {
  for (int64_t r = 0; r < rows; ++r) {
    float* row = logits + r * stride;
    row[keys - 1] += last_key_bias / scale;
    float largest = row[0];
    for (int64_t i = 1; i < keys; ++i) largest = row[i] > largest ? row[i] : largest;
    float sum = 0;
    for (int64_t i = 0; i < keys; ++i) {
      const float e = Exp(scale * (row[i] - largest));
      row[i] = e;
      sum += e;
    }
    const float factor = 1.0f / sum;
    for (int64_t i = 0; i < keys; ++i) row[i] *= factor;
  }
}

VIDEODIFFCR_VECTOR_CLONES
void Silu(int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = y[i] / (1.0f + Exp(-y[i]));
}

}  // namespace videodiffcr::cpu
