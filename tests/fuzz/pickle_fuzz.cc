// Any bytes as the pickle of an otherwise sound torch.save archive with four small storages. Every tensor that comes
// out is read and converted, so that a span outside its storage is seen.
#include <zlib.h>

#include <cstddef>
#include <cstdint>

#include "convert/expected_tensors.h"
#include "convert/tensor_conversion.h"
#include "convert/weight_file.h"

namespace videodiffcr {
namespace {

constexpr uint8_t kVersion[] = {'3', '\n'};

ZipEntry EntryOf(absl::Span<const uint8_t> data) {
  return {data, static_cast<uint32_t>(crc32_z(crc32_z(0, nullptr, 0), data.data(), data.size()))};
}

void ReadPickleOf(absl::Span<const uint8_t> pickle) {
  // On the heap, each of its own, so that the sanitizer sees one byte too far.
  const std::vector<uint8_t> storages[] = {std::vector<uint8_t>(8), std::vector<uint8_t>(24), std::vector<uint8_t>(64),
                                           std::vector<uint8_t>(0)};
  ZipArchive archive{.path = "fuzz.pth"};
  archive.entries["m/data.pkl"] = EntryOf(pickle);
  archive.entries["m/version"] = EntryOf(kVersion);
  for (size_t i = 0; i < 4; ++i) archive.entries["m/data/" + std::to_string(i)] = EntryOf(storages[i]);
  const absl::StatusOr<SourceTensors> tensors = ReadTorchArchive(archive, {"generator_ema"}, /*entry_required=*/false);
  if (!tensors.ok()) return;
  const ByteSink sink = [](absl::Span<const uint8_t>) { return absl::OkStatus(); };
  for (const auto& [name, tensor] : *tensors) {
    ConvertValues(tensor, DType::kBF16, sink).IgnoreError();
    if (tensor.shape.size() == 2 && !tensor.bytes.empty()) {
      FindFp8Scales(tensor, Fp8Scaling::kPerOutputRow).status().IgnoreError();
    }
  }
  CheckTensors("fuzz.pth", TextEncoderTensors({.num_layers = 1}), *tensors).IgnoreError();
  FindTaehvWidths(*tensors).status().IgnoreError();
}

}  // namespace
}  // namespace videodiffcr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  videodiffcr::ReadPickleOf({data, size});
  return 0;
}
