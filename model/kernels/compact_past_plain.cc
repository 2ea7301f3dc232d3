#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "model/kernels/compact_past.h"
#include "model/kernels/window_place.h"

namespace videodiffcr::kernels {
namespace {

// The `kept` best tokens of a layer, ascending.
std::vector<int32_t> BestTokens(const PlaceKeysCall& call, const float* scores, int kept) {
  std::vector<int32_t> tokens(call.tokens);
  std::iota(tokens.begin(), tokens.end(), 0);
  if (kept == call.tokens) return tokens;
  const auto value = [scores](int32_t token) {
    return std::isnan(scores[token]) ? -std::numeric_limits<float>::infinity() : scores[token];
  };
  std::stable_sort(tokens.begin(), tokens.end(), [&](int32_t a, int32_t b) { return value(a) > value(b); });
  tokens.resize(kept);
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

void PlaceLayer(const PlaceKeysCall& call, int layer) {
  int32_t* places = call.places + call.first_row[layer];
  const int32_t before = call.past_rows[layer];
  std::vector<int32_t> rows_that_leave;
  for (int32_t row = 0; row < before; ++row) {
    const int32_t place = places[row];
    if (place >= call.first_place && place < call.first_place + call.tokens) rows_that_leave.push_back(row);
  }
  std::vector<RowMove> moves;
  int32_t rows = before;
  size_t next = 0;
  for (const int32_t token : BestTokens(call, call.scores + int64_t{layer} * call.tokens, call.kept[layer])) {
    const int32_t to = next < rows_that_leave.size() ? rows_that_leave[next++] : rows++;
    moves.push_back({~token, to});
    places[to] = call.first_place + token;
  }
  std::vector<int32_t> gaps(rows_that_leave.begin() + static_cast<std::ptrdiff_t>(next), rows_that_leave.end());
  for (size_t filled = 0; filled < gaps.size();) {
    const int32_t last = --rows;
    if (gaps.back() == last) {
      gaps.pop_back();
      continue;
    }
    moves.push_back({last, gaps[filled]});
    places[gaps[filled++]] = places[last];
  }
  std::copy(moves.begin(), moves.end(), call.moves + int64_t{layer} * call.tokens);
  call.move_count[layer] = static_cast<int32_t>(moves.size());
  call.chunk_row[layer] = before;
  call.past_rows[layer] = rows;
}

}  // namespace

void PlainPlaceKeys(const PlaceKeysCall& call) {
  for (int layer = 0; layer < call.layers; ++layer) PlaceLayer(call, layer);
}

void PlainMoveKeys(const MoveKeysCall& call) {
  for (int layer = 0; layer < call.layers; ++layer) {
    const RowMove* moves = call.moves + int64_t{layer} * call.tokens;
    for (int pool = 0; pool < call.pools; ++pool) {
      char* rows = static_cast<char*>(call.pool[pool]) + call.first_row[layer] * call.row_bytes;
      for (int i = 0; i < call.move_count[layer]; ++i) {
        const int64_t from = moves[i].from < 0 ? call.chunk_row[pool][layer] + ~moves[i].from : moves[i].from;
        std::memmove(rows + moves[i].to * call.row_bytes, rows + from * call.row_bytes, call.row_bytes);
      }
    }
  }
}

void PlainTurnKeys(const TurnKeysCall& call) {
  const int64_t width = int64_t{call.heads} * call.head_dim, pairs = call.head_dim / 2;
  for (int layer = 0; layer < call.layers; ++layer) {
    for (int64_t row = 0; row < call.past_rows[layer]; ++row) {
      const int64_t at = call.first_row[layer] + row, angles = RotaryRow(call, call.places[at]) * pairs;
      const float* in = static_cast<const float*>(call.plain_keys) + at * width;
      float* out = static_cast<float*>(call.keys) + at * width;
      for (int64_t i = 0; i < width; i += 2) {
        const float cos = call.cos[angles + i % call.head_dim / 2], sin = call.sin[angles + i % call.head_dim / 2];
        out[i] = in[i] * cos - in[i + 1] * sin;
        out[i + 1] = in[i] * sin + in[i + 1] * cos;
      }
    }
  }
}

void PlainKeyNorms(const KeyNormsCall& call) {
  for (int layer = 0; layer < call.layers; ++layer) {
    for (int token = 0; token < call.tokens; ++token) {
      const int64_t row = call.first_row[layer] + call.chunk_row[layer] + token;
      const float* key = static_cast<const float*>(call.keys) + row * call.width;
      const double squares = std::inner_product(key, key + call.width, key, 0.0);
      call.scores[int64_t{layer} * call.tokens + token] = static_cast<float>(std::sqrt(squares));
    }
  }
}

}  // namespace videodiffcr::kernels
