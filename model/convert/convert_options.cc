#include "model/convert/convert_options.h"

#include <functional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/convert/mapped_file.h"
#include "model/convert/model_presets.h"

namespace videodiffcr {
namespace {

constexpr char kUsage[] = R"(Makes a model folder from the released files.

  videodiffcr-convert --preset wan2.1-t2v-1.3b --transformer self_forcing_dmd.pt
      --text-encoder models_t5_umt5-xxl-enc-bf16.pth --tokenizer google/umt5-xxl/spiece.model
      --decoder taew2_1.pth --output models/wan

Sizes, one of:
  --preset NAME        wan2.1-t2v-1.3b
  --config FILE        a config.json; every size in it is checked against the files

Released files:
  --transformer FILE   Wan2.1 safetensors, or a .pt or .pth of torch.save; give it once per shard
  --entry NAME         which dict of a torch.save transformer; default generator_ema, else generator, else model, else the top level
  --text-encoder FILE  UMT5 encoder
  --tokenizer FILE     its spiece.model
  --decoder FILE       TAEHV or the Wan VAE
  --routers FILE       pruning routers (safetensors); needs a --config with a retention part

What is stored:
  --dtype bf16|fp32    matrices of transformer and text encoder; default bf16
  --fp8 none|tensor|row  linears of the transformer's blocks as E4M3 with one scale per tensor or per output row; default none
  --output FOLDER      must not exist

Others:
  --print-config       prints the config.json of --preset or --config and ends
  --help
)";

// What the flags said, before it is put together.
struct Flags {
  std::string preset;
  std::string config_file;
  std::string entry;
  std::string dtype = "bf16";
  std::string fp8 = "none";
  ConvertOptions options;
};

using SetValue = std::function<void(const std::string&)>;

absl::Status FlagError(absl::string_view flag, absl::string_view value, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("--", flag, " ", value, ": ", what, " (see --help)"));
}

// The setter of the flag `name`, or an empty function when there is no such flag.
SetValue FindFlag(const std::string& name, Flags* flags) {
  ConversionRequest& request = flags->options.request;
  const std::pair<const char*, std::string*> texts[] = {{"preset", &flags->preset},
                                                        {"config", &flags->config_file},
                                                        {"entry", &flags->entry},
                                                        {"dtype", &flags->dtype},
                                                        {"fp8", &flags->fp8},
                                                        {"text-encoder", &request.text_encoder_file},
                                                        {"tokenizer", &request.tokenizer_file},
                                                        {"decoder", &request.decoder_file},
                                                        {"routers", &request.routers_file},
                                                        {"output", &request.output_folder}};
  for (const auto& [flag, text] : texts) {
    if (name == flag) return [text = text](const std::string& value) { *text = value; };
  }
  if (name == "transformer")
    return [&request](const std::string& value) { request.transformer_files.push_back(value); };
  return nullptr;
}

absl::Status ReadFlags(const std::vector<std::string>& arguments, Flags* flags) {
  std::set<std::string> seen;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "--print-config") {
      flags->options.action =
          argument == "--help" ? ConvertOptions::Action::kHelp : ConvertOptions::Action::kPrintConfig;
      continue;
    }
    if (!argument.starts_with("--")) {
      return absl::InvalidArgumentError(absl::StrCat("'", argument, "' is not a flag (see --help)"));
    }
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    const SetValue set = FindFlag(name, flags);
    if (!set) return FlagError(name, "", "there is no such flag");
    if (equals == std::string::npos && i + 1 == arguments.size()) return FlagError(name, "", "needs a value");
    const std::string value = equals == std::string::npos ? arguments[++i] : argument.substr(equals + 1);
    if (value.empty()) return FlagError(name, "''", "needs a value");
    if (!seen.insert(name).second && name != "transformer") return FlagError(name, value, "is given twice");
    set(value);
  }
  return absl::OkStatus();
}

absl::Status SetConfig(const Flags& flags, ConversionRequest* request) {
  if (flags.preset.empty() == flags.config_file.empty()) {
    return absl::InvalidArgumentError("give either --preset or --config (see --help)");
  }
  if (!flags.preset.empty()) {
    absl::StatusOr<ModelConfig> preset = FindModelPreset(flags.preset);
    if (!preset.ok()) return FlagError("preset", flags.preset, preset.status().message());
    request->config = *std::move(preset);
    request->decoder_kind_from_file = true;
    return absl::OkStatus();
  }
  const absl::StatusOr<MappedFile> file = MappedFile::Open(flags.config_file);
  if (!file.ok()) return file.status();
  absl::StatusOr<ModelConfig> config =
      ParseModelConfig({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()});
  if (!config.ok()) {
    return absl::Status(config.status().code(), absl::StrCat(flags.config_file, ": ", config.status().message()));
  }
  request->config = *std::move(config);
  return absl::OkStatus();
}

absl::Status SetPrecision(const Flags& flags, PrecisionOptions* precision) {
  if (flags.dtype != "bf16" && flags.dtype != "fp32") return FlagError("dtype", flags.dtype, "must be bf16 or fp32");
  if (flags.dtype == "fp32") precision->precision = StoredPrecision::kFloat32;
  if (flags.fp8 == "tensor") {
    precision->fp8 = Fp8Scaling::kPerTensor;
  } else if (flags.fp8 == "row") {
    precision->fp8 = Fp8Scaling::kPerOutputRow;
  } else if (flags.fp8 != "none") {
    return FlagError("fp8", flags.fp8, "must be none, tensor or row");
  }
  return absl::OkStatus();
}

absl::Status CheckFiles(const ConversionRequest& request) {
  const std::pair<const char*, bool> missing[] = {{"transformer", request.transformer_files.empty()},
                                                  {"text-encoder", request.text_encoder_file.empty()},
                                                  {"tokenizer", request.tokenizer_file.empty()},
                                                  {"decoder", request.decoder_file.empty()},
                                                  {"output", request.output_folder.empty()}};
  for (const auto& [flag, is_missing] : missing) {
    if (is_missing) return absl::InvalidArgumentError(absl::StrCat("--", flag, " is needed (see --help)"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ConvertOptions> ParseConvertOptions(const std::vector<std::string>& arguments) {
  Flags flags;
  if (absl::Status status = ReadFlags(arguments, &flags); !status.ok()) return status;
  ConvertOptions& options = flags.options;
  if (options.action == ConvertOptions::Action::kHelp) return options;
  if (absl::Status status = SetConfig(flags, &options.request); !status.ok()) return status;
  if (options.action == ConvertOptions::Action::kPrintConfig) return options;
  if (absl::Status status = SetPrecision(flags, &options.request.precision); !status.ok()) return status;
  if (!flags.entry.empty()) {
    options.request.transformer_entries = {flags.entry};
    options.request.transformer_entry_required = true;
  }
  if (absl::Status status = CheckFiles(options.request); !status.ok()) return status;
  return options;
}

std::string ConvertHelp() { return kUsage; }

}  // namespace videodiffcr
