#include "model/plain/transformer/teacher_forcing_attention.h"

#include <ATen/ops/cat.h>

#include <vector>

namespace videodiffcr {

at::Tensor AttendWithTeacherForcing(const at::Tensor& q, const KeysValues& keys, int64_t chunks) {
  const int64_t tokens = q.size(2);
  const auto in_order = [&](const at::Tensor& x) {  // the clean chunks of a window behind each other
    return x.narrow(0, chunks, chunks - 1).transpose(0, 1).flatten(1, 2);
  };
  const KeysValues clean = {in_order(keys.k), in_order(keys.v)};
  const auto before = [&](int64_t chunk) {
    return KeysValues{clean.k.narrow(1, 0, chunk * tokens), clean.v.narrow(1, 0, chunk * tokens)};
  };
  std::vector<at::Tensor> attended;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const KeysValues own = {keys.k[chunk], keys.v[chunk]};
    attended.push_back(Attend(q[chunk], chunk == 0 ? own : Concatenate(before(chunk), own)));
  }
  for (int64_t chunk = 0; chunk + 1 < chunks; ++chunk) attended.push_back(Attend(q[chunks + chunk], before(chunk + 1)));
  return at::cat(attended);
}

}  // namespace videodiffcr
