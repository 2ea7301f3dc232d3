#include "convert/convert_options.h"

#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "command_line/flag_parser.h"
#include "convert/model_presets.h"
#include "model/config/model_config_file.h"

namespace videodiffcr {
namespace {

constexpr char kSummary[] = R"(Makes a model folder from the released files.

  videodiffcr-convert --preset wan2.1-t2v-1.3b --transformer self_forcing_dmd.pt
      --text-encoder models_t5_umt5-xxl-enc-bf16.pth --tokenizer google/umt5-xxl/spiece.model
      --decoder taew2_1.pth --output models/wan

Flags:
)";
constexpr char kSwitchesHelp[] = R"(  --print-config
      Prints the config.json of --preset or --config and ends.
  --help
)";

// What the flags said, before it is put together.
struct Flags {
  std::string preset;
  std::string config_file;
  std::string entry;
  std::string dtype = "bf16";
  std::string fp8 = "none";
  ConversionRequest request;
};

// An empty name would read as a flag that was not given.
absl::Status CheckNotEmpty(std::string_view value) {
  return value.empty() ? absl::InvalidArgumentError("must not be empty") : absl::OkStatus();
}

SetFlagValue SetName(std::string* out) {
  return [out](std::string_view value) {
    *out = std::string(value);
    return CheckNotEmpty(value);
  };
}

SetFlagValue AddName(std::vector<std::string>* out) {
  return [out](std::string_view value) {
    out->emplace_back(value);
    return CheckNotEmpty(value);
  };
}

FlagParser MakeParser(Flags* flags) {
  ConversionRequest& request = flags->request;
  FlagParser parser;
  parser.AddFlag("preset", "NAME", "Sizes: wan2.1-t2v-1.3b. This or --config.", SetName(&flags->preset));
  parser.AddFlag("config", "FILE", "Sizes: a config.json; every size in it is checked against the files.",
                 SetName(&flags->config_file));
  parser.AddFlag("transformer", "FILE", "Wan2.1 safetensors, or a .pt or .pth of torch.save; give it once per shard.",
                 AddName(&request.transformer_files), /*repeatable=*/true);
  parser.AddFlag("entry", "NAME",
                 "Which dict of a torch.save transformer.\n"
                 "Default: generator_ema, else generator, else model, else the top level.",
                 SetName(&flags->entry));
  parser.AddFlag("text-encoder", "FILE", "UMT5 encoder.", SetName(&request.text_encoder_file));
  parser.AddFlag("tokenizer", "FILE", "Its spiece.model.", SetName(&request.tokenizer_file));
  parser.AddFlag("decoder", "FILE", "TAEHV or the Wan VAE.", SetName(&request.decoder_file));
  parser.AddFlag("routers", "FILE", "Pruning routers (safetensors); needs a --config with a retention part.",
                 SetName(&request.routers_file));
  parser.AddFlag("dtype", "bf16|fp32", "Matrices of transformer and text encoder. Default: bf16.",
                 SetChoice({"bf16", "fp32"}, &flags->dtype));
  parser.AddFlag(
      "fp8", "none|tensor|row",
      "Linears of the transformer's blocks as E4M3 with one scale per tensor or per output row. Default: none.",
      SetChoice({"none", "tensor", "row"}, &flags->fp8));
  parser.AddFlag("output", "FOLDER", "The model folder; must not exist.", SetName(&request.output_folder));
  return parser;
}

absl::Status SetConfig(const Flags& flags, ConversionRequest* request) {
  if (flags.preset.empty() == flags.config_file.empty()) {
    return absl::InvalidArgumentError("give either --preset or --config (see --help)");
  }
  if (!flags.preset.empty()) {
    absl::StatusOr<ModelConfig> preset = FindModelPreset(flags.preset);
    if (!preset.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--preset is '", flags.preset, "'; ", preset.status().message()));
    }
    request->config = *std::move(preset);
    request->decoder_kind_from_file = true;
    return absl::OkStatus();
  }
  absl::StatusOr<ModelConfig> config = ReadModelConfig(flags.config_file);
  if (!config.ok()) return config.status();
  request->config = *std::move(config);
  return absl::OkStatus();
}

void SetPrecision(const Flags& flags, PrecisionOptions* precision) {
  if (flags.dtype == "fp32") precision->precision = StoredPrecision::kFloat32;
  if (flags.fp8 == "tensor") precision->fp8 = Fp8Scaling::kPerTensor;
  if (flags.fp8 == "row") precision->fp8 = Fp8Scaling::kPerOutputRow;
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
  ConvertOptions options;
  std::vector<std::string_view> with_values;
  for (const std::string& argument : arguments) {
    if (argument == "--help") {
      options.action = ConvertOptions::Action::kHelp;
      return options;
    }
    if (argument == "--print-config") {
      options.action = ConvertOptions::Action::kPrintConfig;
    } else {
      with_values.push_back(argument);
    }
  }
  Flags flags;
  if (absl::Status status = MakeParser(&flags).Parse(with_values); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(status.message(), " (see --help)"));
  }
  options.request = std::move(flags.request);
  if (absl::Status status = SetConfig(flags, &options.request); !status.ok()) return status;
  if (options.action == ConvertOptions::Action::kPrintConfig) return options;
  SetPrecision(flags, &options.request.precision);
  if (!flags.entry.empty()) {
    options.request.transformer_entries = {flags.entry};
    options.request.transformer_entry_required = true;
  }
  if (absl::Status status = CheckFiles(options.request); !status.ok()) return status;
  return options;
}

std::string ConvertHelp() {
  Flags flags;
  return absl::StrCat(kSummary, MakeParser(&flags).FlagsHelp(), kSwitchesHelp);
}

}  // namespace videodiffcr
