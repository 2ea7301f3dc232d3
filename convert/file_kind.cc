#include "convert/file_kind.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {
namespace {

constexpr size_t kHeadBytes = 4096;
constexpr size_t kTarMagicAt = 257;

struct Magic {
  absl::string_view bytes;
  absl::string_view what;  // and what to do
};

// The first bytes of a file, and what one that begins so is.
constexpr Magic kMagics[] = {
    {"GGUF", "is GGUF, quantized for llama.cpp and its like; take the safetensors or .pth file that it was made of"},
    {"ggml", "is GGML, quantized for llama.cpp and its like; take the safetensors or .pth file that it was made of"},
    {"\x1f\x8b", "is compressed with gzip; unpack it first (gunzip, or tar -xzf)"},
    {"BZh", "is compressed with bzip2; unpack it first (bunzip2)"},
    {"\xfd\x37zXZ", "is compressed with xz; unpack it first (unxz)"},
    {"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first (unzstd)"},
    {"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive; unpack it first"},
    {"Rar!\x1a\x07", "is a RAR archive; unpack it first"},
    {"PK\x05\x06", "is an empty zip archive; fetch it again"},
    {"PK\x07\x08", "is the first part of a zip archive in several parts; join them first"},
    {"\x93NUMPY", "is a NumPy array; the weights are in safetensors or .pth files"},
    {"\x89HDF\r\n\x1a\n", "is an HDF5 file; the weights are in safetensors or .pth files"},
    {"%PDF-", "is a PDF; the weights are in safetensors or .pth files"},
    {"\x80\x02", "is a bare pickle, not what torch.save writes; load it in Python and save it again"},
    {"\x80\x03", "is a bare pickle, not what torch.save writes; load it in Python and save it again"},
    {"\x80\x04", "is a bare pickle, not what torch.save writes; load it in Python and save it again"},
    {"\x80\x05", "is a bare pickle, not what torch.save writes; load it in Python and save it again"},
};

// The value of a line "KEY VALUE" of a text.
absl::string_view LineValue(absl::string_view text, absl::string_view key) {
  const size_t at = text.find(absl::StrCat("\n", key, " "));
  if (at == absl::string_view::npos) return "unknown";
  const size_t begin = at + key.size() + 2;
  const absl::string_view value = text.substr(begin, text.find('\n', begin) - begin);
  return value.size() <= 20 && std::all_of(value.begin(), value.end(), absl::ascii_isdigit) ? value : "unknown";
}

bool IsText(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x80 || absl::ascii_isprint(c) || absl::ascii_isspace(c);
  });
}

std::string TextKind(absl::string_view head) {
  absl::string_view text = head;
  if (absl::StartsWith(text, "\xef\xbb\xbf")) text.remove_prefix(3);
  text = absl::StripLeadingAsciiWhitespace(text);
  if (absl::StartsWith(text, "version https://git-lfs.github.com/spec/")) {
    return absl::StrCat("is a Git LFS pointer and not the file itself, which has ", LineValue(text, "size"),
                        " bytes; fetch that with git lfs pull, or download it again");
  }
  if (absl::StartsWithIgnoreCase(text, "<!doctype html") || absl::StartsWithIgnoreCase(text, "<html") ||
      absl::StartsWithIgnoreCase(text, "<head")) {
    return "is an HTML page: the download got a web page instead of the file (a log-in page, or a link to the page "
           "about the file); take the link of the download itself";
  }
  if (absl::StartsWith(text, "<")) {
    return "is an XML or HTML text: the download got an answer of the web server instead of the file; download it "
           "again";
  }
  if (absl::StartsWith(text, "{") && absl::StrContains(head, "\"weight_map\"")) {
    return "is the index of a checkpoint in shards, under a name that does not end in .index.json; give the folder, or "
           "rename it";
  }
  if (absl::StartsWith(text, "{") || absl::StartsWith(text, "[")) {
    return "is a JSON text and holds no weights; is it a config, or the message of a download that failed?";
  }
  if (IsText(head)) return "is a text and holds no weights; did the download fail?";
  return "";
}

}  // namespace

bool BeginsAsSafetensors(absl::Span<const uint8_t> bytes) {
  constexpr size_t kLengthBytes = 8, kUsedBytes = 5;  // a header has 16 MiB at most, one that is damaged some more
  if (bytes.size() <= kLengthBytes) return false;
  return bytes[kLengthBytes] == '{' &&
         std::all_of(bytes.begin() + kUsedBytes, bytes.begin() + kLengthBytes, [](uint8_t byte) { return byte == 0; });
}

std::string ForeignFileKind(absl::Span<const uint8_t> bytes) {
  if (BeginsAsSafetensors(bytes)) return "";
  const absl::string_view head(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kHeadBytes));
  for (const Magic& magic : kMagics) {
    if (absl::StartsWith(head, magic.bytes)) return std::string(magic.what);
  }
  if (head.size() > kTarMagicAt + 5 && head.substr(kTarMagicAt, 5) == "ustar") {
    return "is a tar archive; unpack it first (tar -xf)";
  }
  if (std::all_of(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(head.size()),
                  [](uint8_t byte) { return byte == 0; })) {
    return "begins with nothing but zeros: the download was broken off, or the disk lost it; fetch it again";
  }
  const std::string text = TextKind(head);
  if (!text.empty()) return text;
  return absl::StrCat("is neither safetensors nor a zip of torch.save, nor anything else that we know: it begins with ",
                      absl::BytesToHexString(head.substr(0, 8)));
}

std::string TokenizerFileKind(absl::string_view content) {
  const absl::string_view head = content.substr(0, kHeadBytes);
  if (absl::StartsWith(absl::StripLeadingAsciiWhitespace(head), "{")) {
    return "it is a JSON text, as tokenizer.json is; the file that is needed is spiece.model, beside it";
  }
  const absl::Span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(content.data()), content.size());
  if (BeginsAsSafetensors(bytes) || absl::StartsWith(head, "PK")) return "it holds weights";
  const std::string text = head.empty() ? "is empty" : TextKind(head);
  return text.empty() ? "" : absl::StrCat("it ", text);
}

}  // namespace videodiffcr
