// Any bytes behind the magic number of torch.save's format from before PyTorch 1.6: refused, or every tensor can be
// read.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "convert/legacy_torch_file.h"
#include "convert/tensor_conversion.h"
#include "convert/weight_file.h"

namespace {

constexpr uint8_t kMagic[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> file(std::begin(kMagic), std::end(kMagic));
  if (videodiffcr::BeginsAsLegacyTorchFile({data, size})) file.clear();  // a whole file
  file.insert(file.end(), data, data + size);
  file.shrink_to_fit();
  const auto archive = videodiffcr::OpenLegacyTorchFile(file, "fuzz.pth");
  if (!archive.ok()) return 0;
  const auto tensors = videodiffcr::ReadTorchArchive(*archive, {"generator_ema"}, /*entry_required=*/false);
  if (!tensors.ok()) return 0;
  const videodiffcr::ByteSink sink = [](absl::Span<const uint8_t>) { return absl::OkStatus(); };
  for (const auto& [name, tensor] : *tensors) {
    videodiffcr::ConvertValues(tensor, videodiffcr::DType::kBF16, sink).IgnoreError();
  }
  return 0;
}
