// Any bytes as the header of a LoRA's safetensors file with its metadata: refused, or each change that it makes is of a
// tensor of the transformer and can be read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "convert/lora.h"
#include "convert/lora_keys.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

constexpr size_t kDataBytes = 96;

const std::vector<ExpectedTensor>& Transformer() {
  static const std::vector<ExpectedTensor> tensors = TransformerTensors({.in_dim = 1,
                                                                         .out_dim = 1,
                                                                         .dim = 4,
                                                                         .ffn_dim = 6,
                                                                         .freq_dim = 4,
                                                                         .text_dim = 4,
                                                                         .num_heads = 1,
                                                                         .num_layers = 1});
  return tensors;
}

// Keys of all kinds without a file around them: a line each.
void ParseKeys(absl::string_view text) {
  static const LoraKeys keys(Transformer());
  while (!text.empty()) {
    const absl::string_view line = text.substr(0, text.find('\n'));
    const std::optional<LoraKey> key = keys.Parse(line);
    if (key.has_value() && key->tensor.empty()) std::abort();
    (void)OtherAdapterKind(line);
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
}

void OpenAndRead(absl::string_view header) {
  static const TemporaryFolder folder;
  std::string content(8, '\0');
  for (int i = 0; i < 8; ++i) content[i] = static_cast<char>((uint64_t{header.size()} >> (8 * i)) & 0xff);
  content.append(header.data(), header.size()).append(kDataBytes, '\1');
  absl::StatusOr<LoraSet> set =
      LoraSet::Open({{folder.Write("lora.safetensors", content), 0.5}}, Transformer(), folder.path());
  if (!set.ok()) return;
  for (const ExpectedTensor& tensor : Transformer()) {
    if (!set->Changes(tensor.name)) continue;
    const absl::StatusOr<ValueChange> change = set->ChangeOf(tensor.name);
    if (!change.ok()) continue;
    int64_t count = 1;
    for (const int64_t size : tensor.shape) count *= size;
    std::vector<float> values(static_cast<size_t>(count));
    (*change)(0, count, values.data()).IgnoreError();
  }
}

}  // namespace
}  // namespace videodiffcr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  videodiffcr::ParseKeys(text);
  videodiffcr::OpenAndRead(text);
  return 0;
}
