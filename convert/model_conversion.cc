#include "convert/model_conversion.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "convert/expected_tensors.h"
#include "convert/file_io.h"
#include "convert/partial_folder.h"
#include "convert/safetensors_stream.h"
#include "convert/weight_set.h"
#include "model/plain/text/piece_model.h"
#include "system/mapped_file.h"
#include "system/regular_file.h"

namespace videodiffcr {
namespace {

constexpr absl::string_view kConfigName = "config.json";

// One safetensors file of the folder: where it comes from and what will be in it.
struct NetworkFile {
  std::string name;
  WeightSet sources;
  std::vector<OutputTensor> plan;
};

absl::Status InFile(absl::string_view path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

absl::Status InTensor(const NetworkFile& network, const std::string& tensor, const absl::Status& status) {
  return InFile(network.sources.Paths(),
                absl::Status(status.code(), absl::StrCat("tensor ", tensor, ": ", status.message())));
}

absl::StatusOr<NetworkFile> PlanNetwork(std::string name, WeightSet sources,
                                        const std::vector<ExpectedTensor>& expected,
                                        const PrecisionOptions& precision) {
  if (absl::Status status = CheckTensors(sources.Paths(), expected, sources.tensors()); !status.ok()) return status;
  std::vector<OutputTensor> plan = PlanOutput(expected, sources.tensors(), precision);
  return NetworkFile{std::move(name), std::move(sources), std::move(plan)};
}

absl::StatusOr<std::vector<ExpectedTensor>> ExpectedOfDecoder(const DecoderConfig& config,
                                                              const SourceTensors& tensors) {
  if (config.kind == DecoderKind::kWanVae) return WanVaeTensors(config);
  const absl::StatusOr<TaehvWidths> widths = FindTaehvWidths(tensors);
  if (!widths.ok()) return widths.status();
  return TaehvTensors(config, *widths);
}

// One conversion from its request to its folder.
class Conversion {
 public:
  Conversion(const ConversionRequest& request, const ProgressFunction& progress)
      : request_(request), config_(request.config), progress_(progress) {}

  absl::Status Run();

 private:
  absl::Status CheckConfig() const;
  absl::Status Plan();
  absl::Status PlanTransformer();
  absl::Status PlanTextEncoder();
  absl::Status PlanDecoder();
  absl::Status PlanRouters();
  absl::Status Add(absl::StatusOr<NetworkFile> network);
  absl::Status OpenTokenizer();
  std::vector<std::string> FileNames() const;
  absl::Status CheckFreeSpace(const std::string& folder) const;
  absl::Status WriteNetwork(const NetworkFile& network, const std::string& folder);
  // Scales of fp8 tensors go into `scales`, and come from there for the values: the scales are written first.
  absl::Status WriteTensor(const NetworkFile& network, const OutputTensor& tensor,
                           std::map<std::string, std::vector<float>>* scales, SafetensorsStream* stream) const;

  const ConversionRequest& request_;
  ModelConfig config_;
  const ProgressFunction& progress_;
  std::vector<NetworkFile> networks_;
  std::string tokenizer_;  // the file's content
  int64_t total_bytes_ = 0;
  int64_t done_bytes_ = 0;
};

absl::Status Conversion::Run() {
  if (absl::Status status = CheckConfig(); !status.ok()) return status;
  if (absl::Status status = Plan(); !status.ok()) return status;
  absl::StatusOr<PartialFolder> folder = PartialFolder::Create(request_.output_folder, FileNames());
  if (!folder.ok()) return folder.status();
  if (absl::Status status = CheckFreeSpace(folder->path()); !status.ok()) return status;
  for (const NetworkFile& network : networks_) {
    if (absl::Status status = WriteNetwork(network, folder->path()); !status.ok()) return status;
  }
  absl::Status status = WriteNewFile(absl::StrCat(folder->path(), "/", config_.tokenizer.file),
                                     {reinterpret_cast<const uint8_t*>(tokenizer_.data()), tokenizer_.size()});
  if (!status.ok()) return status;
  const std::string json = FormatModelConfig(config_);
  status = WriteNewFile(absl::StrCat(folder->path(), "/", kConfigName),
                        {reinterpret_cast<const uint8_t*>(json.data()), json.size()});
  if (!status.ok()) return status;
  return folder->Commit();
}

absl::Status Conversion::CheckConfig() const {
  if (absl::Status status = config_.Validate(); !status.ok()) return status;
  const std::vector<std::string> names = FileNames();
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) {
    return absl::InvalidArgumentError("config: two files of the folder have the same name");
  }
  return absl::OkStatus();
}

std::vector<std::string> Conversion::FileNames() const {
  std::vector<std::string> names = {config_.transformer_file, config_.text_encoder_file, config_.decoder.file,
                                    config_.tokenizer.file, std::string(kConfigName)};
  if (!config_.retention.file.empty()) names.push_back(config_.retention.file);
  return names;
}

absl::Status Conversion::Plan() {
  if (absl::Status status = PlanTransformer(); !status.ok()) return status;
  if (absl::Status status = PlanTextEncoder(); !status.ok()) return status;
  if (absl::Status status = PlanDecoder(); !status.ok()) return status;
  if (absl::Status status = PlanRouters(); !status.ok()) return status;
  return OpenTokenizer();
}

absl::Status Conversion::Add(absl::StatusOr<NetworkFile> network) {
  if (!network.ok()) return network.status();
  total_bytes_ += PlannedBytes(network->plan);
  networks_.push_back(*std::move(network));
  return absl::OkStatus();
}

absl::Status Conversion::PlanTransformer() {
  absl::StatusOr<WeightSet> sources =
      WeightSet::Open(request_.transformer_files, {request_.transformer_entries, request_.transformer_entry_required},
                      /*strip_wrappers=*/true);
  if (!sources.ok()) return sources.status();
  return Add(PlanNetwork(config_.transformer_file, *std::move(sources), TransformerTensors(config_.transformer),
                         request_.precision));
}

absl::Status Conversion::PlanTextEncoder() {
  absl::StatusOr<WeightSet> sources = WeightSet::Open({request_.text_encoder_file}, {}, /*strip_wrappers=*/false);
  if (!sources.ok()) return sources.status();
  return Add(PlanNetwork(config_.text_encoder_file, *std::move(sources), TextEncoderTensors(config_.text_encoder),
                         request_.precision));
}

absl::Status Conversion::PlanDecoder() {
  absl::StatusOr<WeightSet> sources = WeightSet::Open({request_.decoder_file}, {}, /*strip_wrappers=*/false);
  if (!sources.ok()) return sources.status();
  const absl::StatusOr<DecoderKind> kind = FindDecoderKind(sources->tensors());
  if (!kind.ok()) return InFile(request_.decoder_file, kind.status());
  if (request_.decoder_kind_from_file) config_.decoder.kind = *kind;
  if (config_.decoder.kind != *kind) {
    return absl::InvalidArgumentError(absl::StrCat(request_.decoder_file, ": ",
                                                   *kind == DecoderKind::kWanVae ? "the Wan VAE" : "TAEHV",
                                                   ", but decoder.kind of the config names another decoder"));
  }
  const absl::StatusOr<std::vector<ExpectedTensor>> expected = ExpectedOfDecoder(config_.decoder, sources->tensors());
  if (!expected.ok()) return InFile(request_.decoder_file, expected.status());
  return Add(PlanNetwork(config_.decoder.file, *std::move(sources), *expected, request_.precision));
}

absl::Status Conversion::PlanRouters() {
  const bool configured = !config_.retention.file.empty();
  if (configured != !request_.routers_file.empty()) {
    return absl::InvalidArgumentError(configured
                                          ? "the config has a retention part, so the file of its routers is needed"
                                          : "routers need a config with a retention part, which has their tables");
  }
  if (!configured) return absl::OkStatus();
  absl::StatusOr<WeightSet> sources = WeightSet::Open({request_.routers_file}, {}, /*strip_wrappers=*/true);
  if (!sources.ok()) return sources.status();
  return Add(PlanNetwork(config_.retention.file, *std::move(sources), RouterTensors(config_), request_.precision));
}

absl::Status Conversion::OpenTokenizer() {
  absl::StatusOr<std::string> content = ReadRegularFile(request_.tokenizer_file, kMostPieceFileBytes);
  if (!content.ok()) return content.status();
  std::string error;
  const auto pieces = PieceModel::Parse(*content, error);
  if (pieces == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(request_.tokenizer_file, ": not a SentencePiece model: ", error));
  }
  if (pieces->size() > config_.text_encoder.vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat(request_.tokenizer_file, ": ", pieces->size(),
                                                   " pieces, but the text encoder has ",
                                                   config_.text_encoder.vocab_size, " rows"));
  }
  total_bytes_ += static_cast<int64_t>(content->size());
  tokenizer_ = *std::move(content);
  return absl::OkStatus();
}

absl::Status Conversion::CheckFreeSpace(const std::string& folder) const {
  struct statvfs disk {};
  // A file system that does not tell is not an error; writing will be.
  if (statvfs(folder.c_str(), &disk) != 0) return absl::OkStatus();
  const double free_bytes = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  if (static_cast<double>(total_bytes_) <= free_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrFormat("%s: %.2f GB are needed, %.2f GB are free on that disk", folder,
                                                      static_cast<double>(total_bytes_) / 1e9, free_bytes / 1e9));
}

absl::Status Conversion::WriteNetwork(const NetworkFile& network, const std::string& folder) {
  std::vector<StreamedTensor> stored;
  for (const OutputTensor& tensor : network.plan) stored.push_back(tensor.stored);
  absl::StatusOr<SafetensorsStream> stream =
      SafetensorsStream::Create(absl::StrCat(folder, "/", network.name), stored, {{"format", "pt"}});
  if (!stream.ok()) return stream.status();
  std::map<std::string, std::vector<float>> scales;
  for (const OutputTensor& tensor : network.plan) {
    if (absl::Status status = WriteTensor(network, tensor, &scales, &*stream); !status.ok()) {
      return InTensor(network, tensor.source, status);
    }
    done_bytes_ += StreamedBytes(tensor.stored);
    progress_({network.name, tensor.stored.name, done_bytes_, total_bytes_});
  }
  return stream->Finish();
}

absl::Status Conversion::WriteTensor(const NetworkFile& network, const OutputTensor& tensor,
                                     std::map<std::string, std::vector<float>>* scales,
                                     SafetensorsStream* stream) const {
  using Content = OutputTensor::Content;
  const SourceTensor& source = network.sources.tensors().at(tensor.source);
  // The checksum of an fp8 tensor is looked at once, with its scales.
  if (tensor.content != Content::kFp8Values) {
    if (absl::Status status = network.sources.CheckData(tensor.source); !status.ok()) return status;
  }
  const ByteSink sink = [stream](absl::Span<const uint8_t> bytes) { return stream->Append(bytes); };
  absl::Status status;
  if (tensor.content == Content::kValues) {
    status = ConvertValues(source, tensor.stored.dtype, sink);
  } else if (tensor.content == Content::kFp8Values) {
    status = ConvertToFp8(source, scales->at(tensor.source), sink);
  } else {
    absl::StatusOr<std::vector<float>> found = FindFp8Scales(source, *request_.precision.fp8);
    if (!found.ok()) return found.status();
    status = sink({reinterpret_cast<const uint8_t*>(found->data()), found->size() * sizeof(float)});
    scales->emplace(tensor.source, *std::move(found));
  }
  status.Update(network.sources.CheckWhole(tensor.source));
  ReleaseMappedPages(source.bytes);
  return status;
}

}  // namespace

absl::Status ConvertModel(const ConversionRequest& request, const ProgressFunction& progress) {
  return Conversion(request, progress).Run();
}

}  // namespace videodiffcr
