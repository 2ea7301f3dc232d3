// Each fused kernel against the formula written out in double, over odd sizes.
#include "model/cpu/row_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "model/cpu/attention.h"
#include "model/cpu/gemm.h"

namespace videodiffcr::cpu {
namespace {

std::vector<float> Random(int64_t n, int seed, float scale = 1.0f) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

struct Size {
  int64_t rows, dim;
};
const Size kSizes[] = {{1, 1}, {1, 7}, {3, 16}, {5, 33}, {17, 192}, {2, 1536}, {90, 65}};

double Moment(const float* row, int64_t dim, double mean, double power) {
  double sum = 0;
  for (int64_t i = 0; i < dim; ++i) sum += std::pow(row[i] - mean, power);
  return sum / static_cast<double>(dim);
}

void ExpectNear(const std::vector<float>& actual, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  double worst = 0;
  size_t where = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(actual[i] - expected[i]);
    if (!(error <= worst)) worst = error, where = i;
  }
  EXPECT_LE(worst, tolerance) << "worst element " << where << ": " << actual[where] << " instead of "
                              << expected[where];
}

TEST(RowKernelsTest, LayerNormEqualsItsFormulaAtEverySize) {
  for (const Size& size : kSizes) {
    const auto x = Random(size.rows * size.dim, 1, 3.0f), scale = Random(size.dim, 2), shift = Random(size.dim, 3);
    std::vector<double> plain(x.size()), affine(x.size());
    for (int64_t r = 0; r < size.rows; ++r) {
      const float* row = x.data() + r * size.dim;
      const double mean = Moment(row, size.dim, 0, 1), deviation = std::sqrt(Moment(row, size.dim, mean, 2) + 1e-6);
      for (int64_t i = 0; i < size.dim; ++i) {
        plain[r * size.dim + i] = (row[i] - mean) / deviation;
        affine[r * size.dim + i] = plain[r * size.dim + i] * scale[i] + shift[i];
      }
    }
    std::vector<float> out(x.size());
    LayerNorm(x.data(), nullptr, nullptr, size.rows, size.dim, 1e-6f, out.data());
    ExpectNear(out, plain, 2e-5);
    std::vector<float> in_place = x;
    LayerNorm(in_place.data(), scale.data(), shift.data(), size.rows, size.dim, 1e-6f, in_place.data());
    ExpectNear(in_place, affine, 5e-5);
  }
}

TEST(RowKernelsTest, BiasedRmsNormReadsStridedRowsAndSpansTheWholeWidth) {
  for (const Size& size : kSizes) {
    const int64_t stride = size.dim + 5;
    const auto y = Random(size.rows * stride, 4), bias = Random(size.dim, 5), weight = Random(size.dim, 6);
    std::vector<double> expected(size.rows * size.dim);
    for (int64_t r = 0; r < size.rows; ++r) {
      double squares = 0;
      for (int64_t i = 0; i < size.dim; ++i) squares += std::pow(double{y[r * stride + i]} + bias[i], 2);
      for (int64_t i = 0; i < size.dim; ++i) {
        expected[r * size.dim + i] =
            (double{y[r * stride + i]} + bias[i]) / std::sqrt(squares / size.dim + 1e-6) * weight[i];
      }
    }
    std::vector<float> out(size.rows * size.dim);
    BiasedRmsNorm(y.data(), stride, bias.data(), weight.data(), size.rows, size.dim, 1e-6f, out.data(), size.dim);
    ExpectNear(out, expected, 3e-5);
  }
}

TEST(RowKernelsTest, AddGatedAddsTheGatedBranchToTheResidual) {
  for (const Size& size : kSizes) {
    const auto x = Random(size.rows * size.dim, 7), y = Random(size.rows * size.dim, 8), bias = Random(size.dim, 9),
               gate = Random(size.dim, 10), factor = Random(size.rows, 11);
    std::vector<double> gated(x.size()), plain(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
      const int64_t r = i / size.dim, c = i % size.dim;
      plain[i] = x[i] + double{y[i]} + bias[c];
      gated[i] = x[i] + double{gate[c]} * factor[r] * (double{y[i]} + bias[c]);
    }
    std::vector<float> a = x, b = x;
    AddGated(y.data(), bias.data(), nullptr, nullptr, size.rows, size.dim, a.data());
    AddGated(y.data(), bias.data(), gate.data(), factor.data(), size.rows, size.dim, b.data());
    ExpectNear(a, plain, 1e-5);
    ExpectNear(b, gated, 2e-5);
  }
}

TEST(RowKernelsTest, BiasedGeluAndSiluEqualTheirFormulasIntoTheTails) {
  const int64_t dim = 401;
  std::vector<float> y(dim), bias(dim, 0.25f);
  for (int64_t i = 0; i < dim; ++i) y[i] = -20.0f + 0.1f * static_cast<float>(i);
  std::vector<double> gelu(dim), silu(dim);
  for (int64_t i = 0; i < dim; ++i) {
    const double v = double{y[i]} + 0.25;
    gelu[i] = 0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
    silu[i] = y[i] / (1 + std::exp(-double{y[i]}));
  }
  std::vector<float> a = y, b = y;
  BiasedGelu(bias.data(), 1, dim, a.data());
  Silu(dim, b.data());
  ExpectNear(a, gelu, 3e-6);
  ExpectNear(b, silu, 3e-6);
}

TEST(RowKernelsTest, RotationInPlaceGathersTheAnglesOfItsTokens) {
  const int64_t tokens = 9, heads = 3, head_dim = 10, pairs = head_dim / 2;
  const std::vector<int32_t> kept = {0, 3, 4, 8};
  const auto angles = Random(tokens * pairs, 12);
  std::vector<float> cos(angles.size()), sin(angles.size());
  for (size_t i = 0; i < angles.size(); ++i) cos[i] = std::cos(angles[i]), sin[i] = std::sin(angles[i]);
  const auto all = Random(tokens * heads * head_dim, 13);

  // Acceptance test 5 of videodiffcr.md appendix B: rotating after the gather equals gathering after the rotation.
  std::vector<float> rotated(all.size()), gathered;
  Rotate(all.data(), cos.data(), sin.data(), nullptr, tokens, heads, head_dim, rotated.data());
  for (const int32_t token : kept) {
    gathered.insert(gathered.end(), all.begin() + token * heads * head_dim,
                    all.begin() + (token + 1) * heads * head_dim);
  }
  Rotate(gathered.data(), cos.data(), sin.data(), kept.data(), kept.size(), heads, head_dim, gathered.data());
  for (size_t r = 0; r < kept.size(); ++r) {
    for (int64_t i = 0; i < heads * head_dim; ++i) {
      EXPECT_EQ(gathered[r * heads * head_dim + i], rotated[kept[r] * heads * head_dim + i]);
    }
  }
  // And a pair turns by its angle.
  EXPECT_NEAR(rotated[1], all[0] * sin[0] + all[1] * cos[0], 1e-6);
}

// softmax(q K^T / sqrt(d) + bias on the last key) V in double.
std::vector<double> PlainAttention(const std::vector<float>& q, const std::vector<float>& k,
                                   const std::vector<float>& v, int64_t rows, int64_t keys, int64_t heads,
                                   int64_t head_dim, double last_bias) {
  const int64_t dim = heads * head_dim;
  std::vector<double> out(rows * dim, 0.0);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t h = 0; h < heads; ++h) {
      std::vector<double> weight(keys);
      double sum = 0;
      for (int64_t j = 0; j < keys; ++j) {
        double dot = j + 1 == keys ? last_bias : 0.0;
        for (int64_t i = 0; i < head_dim; ++i) {
          dot += double{q[r * dim + h * head_dim + i]} * k[j * dim + h * head_dim + i] / std::sqrt(double(head_dim));
        }
        sum += weight[j] = std::exp(dot);
      }
      for (int64_t j = 0; j < keys; ++j) {
        for (int64_t i = 0; i < head_dim; ++i) {
          out[r * dim + h * head_dim + i] += weight[j] / sum * v[j * dim + h * head_dim + i];
        }
      }
    }
  }
  return out;
}

TEST(AttentionTest, TwoRunsOfKeysEqualOneAtEverySplit) {
  const int64_t heads = 2, head_dim = 6, dim = heads * head_dim;
  for (const int64_t rows : {1, 7, 96, 97}) {
    for (const int64_t past : {0, 1, 30}) {
      const int64_t chunk = 11, keys = past + chunk;
      const auto q = Random(rows * dim, 20), k = Random(keys * dim, 21), v = Random(keys * dim, 22);
      FloatBuffer logits(kAttentionRowBlock * keys);
      std::vector<float> out(rows * dim);
      const float bias = past == 0 ? 1.5f : 0.0f;
      Attend(q.data(), rows, heads, head_dim, {k.data(), v.data(), past},
             {k.data() + past * dim, v.data() + past * dim, chunk}, bias, logits, out.data());
      ExpectNear(out, PlainAttention(q, k, v, rows, keys, heads, head_dim, bias), 1e-5);
    }
  }
}

TEST(GemmTest, ProductsOfStridedMatricesEqualTheirFormula) {
  const int64_t m = 5, n = 7, k = 9;
  const auto a = Random(m * (k + 2), 30), b = Random(n * (k + 1), 31), c = Random(k * (n + 3), 32);
  std::vector<float> transposed(m * n, 1.0f), plain(m * n);
  MultiplyTransposed({a.data(), k + 2}, {b.data(), k + 1}, m, n, k, /*accumulate=*/true, {transposed.data(), n});
  Multiply({a.data(), k + 2}, {c.data(), n + 3}, m, n, k, /*accumulate=*/false, {plain.data(), n});
  std::vector<double> expected_transposed(m * n, 1.0), expected_plain(m * n, 0.0);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      for (int64_t l = 0; l < k; ++l) {
        expected_transposed[i * n + j] += double{a[i * (k + 2) + l]} * b[j * (k + 1) + l];
        expected_plain[i * n + j] += double{a[i * (k + 2) + l]} * c[l * (n + 3) + j];
      }
    }
  }
  ExpectNear(transposed, expected_transposed, 1e-5);
  ExpectNear(plain, expected_plain, 1e-5);
}

}  // namespace
}  // namespace videodiffcr::cpu
