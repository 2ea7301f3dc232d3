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
#include "convert/file_kind.h"
#include "convert/partial_folder.h"
#include "convert/safetensors_stream.h"
#include "convert/tensor_values.h"
#include "convert/weight_paths.h"
#include "convert/weight_set.h"
#include "model/plain/text/piece_model.h"
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

// `loras` may be null.
absl::StatusOr<NetworkFile> PlanNetwork(std::string name, WeightSet sources, const std::vector<NameLayout>& layouts,
                                        const std::vector<ExpectedTensor>& expected, const PrecisionOptions& precision,
                                        const LoraSet* loras = nullptr) {
  const NameLayout& layout = FindLayout(layouts, expected, sources.tensors());
  sources.Rename(layout, expected);
  absl::Status status = CheckTensors(sources.Paths(), expected, sources.tensors(), layout.spell);
  if (!status.ok()) return status;
  const auto is_changed = [loras](const std::string& tensor) { return loras != nullptr && loras->Changes(tensor); };
  std::vector<OutputTensor> plan = PlanOutput(expected, sources.tensors(), precision, is_changed);
  return NetworkFile{std::move(name), std::move(sources), std::move(plan)};
}

// Which dict of a file that holds one network and nothing else.
std::vector<std::string> UsualEntries() { return {"state_dict", "model_state_dict", "model"}; }

std::string ParentFolder(const std::string& folder) {
  std::filesystem::path path(folder);
  if (!path.has_filename()) path = path.parent_path();  // "models/wan/"
  return path.has_parent_path() ? path.parent_path().string() : ".";
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
  Conversion(const ConversionRequest& request, const ProgressFunction& progress, const NoteFunction& note)
      : request_(request), config_(request.config), progress_(progress), note_(note) {}

  absl::Status Run();

 private:
  absl::Status CheckConfig() const;
  absl::Status Plan();
  absl::Status PlanTransformer();
  absl::Status PlanTextEncoder();
  absl::Status PlanDecoder();
  absl::Status PlanRouters();
  // The weights behind what the user gave; `part`: their folder in a whole pipeline.
  absl::StatusOr<WeightSet> Open(const std::vector<std::string>& given, absl::string_view part,
                                 std::vector<std::string> entries, bool entry_required) const;
  void PassOn(const std::vector<std::string>& notes) const;
  absl::Status Add(absl::StatusOr<NetworkFile> network);
  absl::Status OpenTokenizer();
  absl::Status CheckTokenizer(const std::string& path, std::string content);
  // The tokenizer that ComfyUI's files of the text encoder carry.
  absl::Status TakeTokenizerOf(WeightSet& text_encoder);
  std::vector<std::string> FileNames() const;
  absl::Status CheckFreeSpace(const std::string& folder) const;
  absl::Status WriteNetwork(NetworkFile& network, const std::string& folder);
  // Scales of fp8 tensors go into `scales`, and come from there for the values: the scales are written first.
  absl::Status WriteTensor(NetworkFile& network, const OutputTensor& tensor,
                           std::map<std::string, std::vector<float>>* scales, SafetensorsStream* stream);
  // The numbers of a tensor of `source`, with what the LoRAs make of them.
  absl::StatusOr<TensorValues> ValuesOf(const NetworkFile& network, const std::string& name, SourceTensor source);

  const ConversionRequest& request_;
  ModelConfig config_;
  const ProgressFunction& progress_;
  const NoteFunction& note_;
  std::vector<NetworkFile> networks_;
  std::optional<LoraSet> loras_;
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
  for (NetworkFile& network : networks_) {
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

void Conversion::PassOn(const std::vector<std::string>& notes) const {
  for (const std::string& text : notes) {
    if (note_) note_(text);
  }
}

absl::StatusOr<WeightSet> Conversion::Open(const std::vector<std::string>& given, absl::string_view part,
                                           std::vector<std::string> entries, bool entry_required) const {
  const absl::StatusOr<std::vector<std::string>> files = FindWeightFiles(given, part);
  if (!files.ok()) return files.status();
  absl::StatusOr<WeightSet> sources =
      WeightSet::Open(*files, {std::move(entries), entry_required, ParentFolder(request_.output_folder)});
  if (sources.ok()) PassOn(sources->Notes());
  return sources;
}

absl::Status Conversion::PlanTransformer() {
  absl::StatusOr<WeightSet> sources = Open(request_.transformer_files, "transformer", request_.transformer_entries,
                                           request_.transformer_entry_required);
  if (!sources.ok()) return sources.status();
  const std::vector<ExpectedTensor> expected = TransformerTensors(config_.transformer);
  if (!request_.loras.empty()) {
    absl::StatusOr<LoraSet> loras = LoraSet::Open(request_.loras, expected, ParentFolder(request_.output_folder));
    if (!loras.ok()) return loras.status();
    PassOn(loras->Notes());
    loras_ = *std::move(loras);
  }
  return Add(PlanNetwork(config_.transformer_file, *std::move(sources), TransformerLayouts(), expected,
                         request_.precision, loras_.has_value() ? &*loras_ : nullptr));
}

absl::Status Conversion::PlanTextEncoder() {
  absl::StatusOr<WeightSet> sources = Open(request_.text_encoder_files, "text_encoder", UsualEntries(), false);
  if (!sources.ok()) return sources.status();
  if (request_.tokenizer_file.empty()) {
    if (absl::Status status = TakeTokenizerOf(*sources); !status.ok()) return status;
  }
  return Add(PlanNetwork(config_.text_encoder_file, *std::move(sources), TextEncoderLayouts(),
                         TextEncoderTensors(config_.text_encoder), request_.precision));
}

absl::Status Conversion::PlanDecoder() {
  absl::StatusOr<WeightSet> sources = Open(request_.decoder_files, "vae", UsualEntries(), false);
  if (!sources.ok()) return sources.status();
  const std::string paths = sources->Paths();
  const absl::StatusOr<DecoderKind> kind = FindDecoderKind(sources->tensors());
  if (!kind.ok()) return InFile(paths, kind.status());
  if (request_.decoder_kind_from_file) config_.decoder.kind = *kind;
  if (config_.decoder.kind != *kind) {
    return absl::InvalidArgumentError(
        absl::StrCat(paths, ": the ", *kind == DecoderKind::kWanVae ? "Wan VAE" : "TAEHV decoder",
                     ", but decoder.kind of the config is \"", DecoderKindName(config_.decoder.kind), "\"; write \"",
                     DecoderKindName(*kind), "\" there, or give the other decoder"));
  }
  const absl::StatusOr<std::vector<ExpectedTensor>> expected = ExpectedOfDecoder(config_.decoder, sources->tensors());
  if (!expected.ok()) return InFile(paths, expected.status());
  return Add(PlanNetwork(config_.decoder.file, *std::move(sources),
                         *kind == DecoderKind::kWanVae ? WanVaeLayouts() : OnlyReleasedNames(), *expected,
                         request_.precision));
}

absl::Status Conversion::PlanRouters() {
  const bool configured = !config_.retention.file.empty();
  if (configured != !request_.routers_file.empty()) {
    return absl::InvalidArgumentError(configured
                                          ? "the config has a retention part, so the file of its routers is needed"
                                          : "routers need a config with a retention part, which has their tables");
  }
  if (!configured) return absl::OkStatus();
  absl::StatusOr<WeightSet> sources = Open({request_.routers_file}, "", UsualEntries(), false);
  if (!sources.ok()) return sources.status();
  return Add(PlanNetwork(config_.retention.file, *std::move(sources), OnlyReleasedNames(), RouterTensors(config_),
                         request_.precision));
}

absl::Status Conversion::TakeTokenizerOf(WeightSet& text_encoder) {
  const auto found = text_encoder.tensors().find("spiece_model");
  if (found == text_encoder.tensors().end() || found->second.dtype != DType::kU8) {
    return absl::InvalidArgumentError(
        absl::StrCat("--tokenizer is needed: ", text_encoder.Paths(), " holds no tokenizer of its own"));
  }
  const absl::StatusOr<SourceTensor> tensor = text_encoder.Load("spiece_model");
  if (!tensor.ok()) return tensor.status();
  if (!tensor->strides.empty() || static_cast<int64_t>(tensor->bytes.size()) > kMostPieceFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat(text_encoder.Paths(), ": spiece_model is no tokenizer"));
  }
  std::string content(reinterpret_cast<const char*>(tensor->bytes.data()), tensor->bytes.size());
  absl::Status status = text_encoder.CheckData("spiece_model");
  status.Update(text_encoder.FinishReading("spiece_model"));
  if (!status.ok()) return status;
  return CheckTokenizer(absl::StrCat(text_encoder.Paths(), ": spiece_model"), std::move(content));
}

absl::Status Conversion::OpenTokenizer() {
  if (request_.tokenizer_file.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> path = FindTokenizerFile(request_.tokenizer_file);
  if (!path.ok()) return path.status();
  absl::StatusOr<std::string> content = ReadRegularFile(*path, kMostPieceFileBytes);
  if (!content.ok()) return content.status();
  return CheckTokenizer(*path, *std::move(content));
}

absl::Status Conversion::CheckTokenizer(const std::string& path, std::string content) {
  std::string error;
  const auto pieces = PieceModel::Parse(content, error);
  if (pieces == nullptr) {
    const std::string kind = TokenizerFileKind(content);
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a SentencePiece model: ", kind.empty() ? error : kind));
  }
  if (pieces->size() > config_.text_encoder.vocab_size) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", pieces->size(), " pieces, but the text encoder has ",
                                                   config_.text_encoder.vocab_size, " rows"));
  }
  total_bytes_ += static_cast<int64_t>(content.size());
  tokenizer_ = std::move(content);
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

absl::Status Conversion::WriteNetwork(NetworkFile& network, const std::string& folder) {
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

absl::StatusOr<TensorValues> Conversion::ValuesOf(const NetworkFile& network, const std::string& name,
                                                  SourceTensor source) {
  const bool changed = loras_.has_value() && network.name == config_.transformer_file && loras_->Changes(name);
  if (!changed) return TensorValues(std::move(source));
  absl::StatusOr<ValueChange> change = loras_->ChangeOf(name);
  if (!change.ok()) return change.status();
  return TensorValues(std::move(source), *std::move(change));
}

absl::Status Conversion::WriteTensor(NetworkFile& network, const OutputTensor& tensor,
                                     std::map<std::string, std::vector<float>>* scales, SafetensorsStream* stream) {
  using Content = OutputTensor::Content;
  // The checksum of an fp8 tensor is looked at once, with its scales.
  if (tensor.content != Content::kFp8Values) {
    if (absl::Status status = network.sources.CheckData(tensor.source); !status.ok()) return status;
  }
  const absl::StatusOr<SourceTensor> source = network.sources.Load(tensor.source);
  if (!source.ok()) return source.status();
  const absl::StatusOr<TensorValues> values = ValuesOf(network, tensor.source, *source);
  if (!values.ok()) return values.status();
  const ByteSink sink = [stream](absl::Span<const uint8_t> bytes) { return stream->Append(bytes); };
  absl::Status status;
  if (tensor.content == Content::kValues) {
    status = ConvertValues(*values, tensor.stored.dtype, sink);
  } else if (tensor.content == Content::kFp8Values) {
    status = ConvertToFp8(*values, scales->at(tensor.source), sink);
  } else {
    absl::StatusOr<std::vector<float>> found = FindFp8Scales(*values, *request_.precision.fp8);
    if (!found.ok()) return found.status();
    status = sink({reinterpret_cast<const uint8_t*>(found->data()), found->size() * sizeof(float)});
    scales->emplace(tensor.source, *std::move(found));
  }
  status.Update(network.sources.FinishReading(tensor.source));
  return status;
}

}  // namespace

absl::Status ConvertModel(const ConversionRequest& request, const ProgressFunction& progress,
                          const NoteFunction& note) {
  return Conversion(request, progress, note).Run();
}

}  // namespace videodiffcr
