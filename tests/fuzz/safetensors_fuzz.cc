// Any bytes as a safetensors file: never a crash, never a tensor outside the bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/weights/safetensors_header.h"

namespace {

void ParseAndCheck(std::string_view file) {
  const auto contents = videodiffcr::ParseSafetensors(file, "fuzz");
  if (!contents.ok()) return;
  const auto* const begin = reinterpret_cast<const uint8_t*>(file.data());
  uint8_t touched = 0;
  for (const auto& [name, entry] : contents->tensors) {
    if (entry.data < begin || entry.bytes < 0 || entry.data + entry.bytes > begin + file.size()) std::abort();
    if (entry.bytes != entry.elements() * videodiffcr::DTypeBytes(entry.dtype)) std::abort();
    if (entry.bytes > 0) touched ^= entry.data[0] ^ entry.data[entry.bytes - 1];
  }
  volatile uint8_t sink = touched;  // so that the reads stay
  (void)sink;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ParseAndCheck(bytes);
  // The same bytes as a header of the right length with some data behind it: mutations need not guess the length.
  std::string file(8, '\0');
  for (int i = 0; i < 8; ++i) file[i] = static_cast<char>((uint64_t{size} >> (8 * i)) & 0xff);
  file.append(bytes);
  ParseAndCheck(file);
  ParseAndCheck(file + std::string(16, 'x'));
  return 0;
}
