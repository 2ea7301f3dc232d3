#include "convert/convert_options.h"

#include <cmath>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "command_line/command.h"
#include "command_line/flag_reader.h"
#include "convert/model_presets.h"
#include "model/config/model_config_file.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

CommandText ProgramText() {
  return {"videodiffcr-convert", "makes a model folder from the released files", "docs/converting.md is its manual.",
          "videodiffcr-convert --preset wan2.1-t2v-1.3b --transformer self_forcing_dmd.pt \\\n"
          "    --text-encoder models_t5_umt5-xxl-enc-bf16.pth --tokenizer google/umt5-xxl/spiece.model \\\n"
          "    --decoder taew2_1.pth --output models/wan"};
}

// What the flags said, before it is put together.
struct Flags {
  std::string preset;
  std::string config_file;
  std::string entry;
  std::string dtype = "bf16";
  std::string fp8 = "none";
  bool print_config = false;
  std::vector<std::string> loras;
  ConversionRequest request;
};

// Names of files are read with ReadName: an empty one would read as a flag that was not given.
void AddSizes(Flags* flags, Command* command) {
  command->BeginGroup("Sizes, by --preset or --config");
  command->AddFlag({"preset", "NAME", absl::StrCat("Sizes that we know: ", absl::StrJoin(PresetNames(), ", "), "."),
                    "wan2.1-t2v-1.3b"},
                   ReadName(&flags->preset));
  command->AddFlag({"config", "FILE", "A config.json; every size in it is checked against the files.", "wan.json"},
                   ReadName(&flags->config_file));
  command->AddSwitch("print-config",
                     "Prints the config.json of --preset or --config and ends; without either, the presets with a line "
                     "each.",
                     &flags->print_config);
}

void AddFiles(Flags* flags, Command* command) {
  ConversionRequest& request = flags->request;
  command->BeginGroup("Files");
  command->AddRepeatedFlag(
      {"transformer", "FILE",
       "Wan2.1 or Diffusers safetensors, or a .pt or .pth of torch.save: a file, a shard, an index of shards, or a "
       "folder. Needed.",
       "self_forcing_dmd.pt"},
      AppendName(&request.transformer_files));
  command->AddFlag({"entry", "NAME",
                    "Which dict of a torch.save transformer; by default generator_ema, else generator, model, "
                    "state_dict or model_state_dict, else the top level.",
                    "generator"},
                   ReadName(&flags->entry));
  command->AddRepeatedFlag(
      {"lora", "FILE[:SCALE]",
       "A LoRA of the transformer (PEFT, Diffusers, ComfyUI or Kohya), merged with this weight, by "
       "default 1.",
       "style.safetensors:0.8"},
      AppendName(&flags->loras));
  command->AddRepeatedFlag(
      {"text-encoder", "FILE", "UMT5 encoder, likewise. Needed.", "models_t5_umt5-xxl-enc-bf16.pth"},
      AppendName(&request.text_encoder_files));
  command->AddFlag({"tokenizer", "FILE",
                    "Its spiece.model, or the folder with it. Needed unless the text encoder's file carries it.",
                    "google/umt5-xxl/spiece.model"},
                   ReadName(&request.tokenizer_file));
  command->AddRepeatedFlag({"decoder", "FILE", "TAEHV or the Wan VAE, likewise. Needed.", "taew2_1.pth"},
                           AppendName(&request.decoder_files));
  command->AddFlag({"routers", "FILE", "Pruning routers (safetensors); needs a --config with a retention part.",
                    "routers.safetensors"},
                   ReadName(&request.routers_file));
}

void AddResult(Flags* flags, Command* command) {
  command->BeginGroup("Result");
  command->AddFlag({"dtype", "NAME", "Matrices of transformer and text encoder: bf16 or fp32.", "fp32"},
                   ReadChoice({"bf16", "fp32"}, &flags->dtype));
  command->AddFlag({"fp8", "NAME",
                    "Linears of the transformer's blocks as E4M3 with one scale per tensor or per output row: none, "
                    "tensor or row.",
                    "row"},
                   ReadChoice({"none", "tensor", "row"}, &flags->fp8));
  command->AddFlag({"output", "FOLDER", "The model folder; must not exist. Needed.", "models/wan"},
                   ReadName(&flags->request.output_folder));
}

absl::Status SetConfig(const Flags& flags, ConversionRequest* request) {
  if (flags.preset.empty() == flags.config_file.empty()) {
    return WrongUsageError("give either --preset or --config");
  }
  if (!flags.preset.empty()) {
    absl::StatusOr<ModelConfig> preset = FindModelPreset(flags.preset);
    if (!preset.ok()) {
      return WrongUsageError(absl::StrCat("--preset is '", flags.preset, "'; ", preset.status().message()));
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

// FILE or FILE:SCALE. A file that is there under the whole name is meant as a whole: names may hold colons.
absl::StatusOr<LoraFile> ParseLora(const std::string& text) {
  const size_t colon = text.rfind(':');
  double scale = 0;
  std::error_code error;
  if (colon == std::string::npos || std::filesystem::exists(text, error)) return LoraFile{text};
  if (!absl::SimpleAtod(text.substr(colon + 1), &scale)) return LoraFile{text};
  if (colon == 0 || !std::isfinite(scale)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--lora is '", text, "'; it must be FILE or FILE:SCALE with a finite number"));
  }
  return LoraFile{text.substr(0, colon), scale};
}

absl::Status SetLoras(const std::vector<std::string>& texts, ConversionRequest* request) {
  for (const std::string& text : texts) {
    const absl::StatusOr<LoraFile> lora = ParseLora(text);
    if (!lora.ok()) return lora.status();
    request->loras.push_back(*lora);
  }
  return absl::OkStatus();
}

void SetPrecision(const Flags& flags, PrecisionOptions* precision) {
  if (flags.dtype == "fp32") precision->precision = StoredPrecision::kFloat32;
  if (flags.fp8 == "tensor") precision->fp8 = Fp8Scaling::kPerTensor;
  if (flags.fp8 == "row") precision->fp8 = Fp8Scaling::kPerOutputRow;
}

absl::Status CheckFiles(const ConversionRequest& request) {
  const std::pair<const char*, bool> missing[] = {{"transformer", request.transformer_files.empty()},
                                                  {"text-encoder", request.text_encoder_files.empty()},
                                                  {"decoder", request.decoder_files.empty()},
                                                  {"output", request.output_folder.empty()}};
  for (const auto& [flag, is_missing] : missing) {
    if (is_missing) return WrongUsageError(absl::StrCat("--", flag, " is needed"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ConvertOptions> ParseConvertOptions(const std::vector<std::string_view>& arguments) {
  Flags flags;
  Command command(ProgramText());
  AddSizes(&flags, &command);
  AddFiles(&flags, &command);
  AddResult(&flags, &command);
  const absl::StatusOr<ParsedCommand> parsed = command.Parse(arguments);
  if (!parsed.ok()) return AsWrongUsage(parsed.status());
  ConvertOptions options;
  options.answer = parsed->answer;
  if (!options.answer.empty()) return options;
  options.request = std::move(flags.request);
  if (flags.print_config && flags.preset.empty() && flags.config_file.empty()) {
    options.answer = DescribePresets();
    return options;
  }
  if (absl::Status status = SetConfig(flags, &options.request); !status.ok()) return status;
  if (flags.print_config) {
    options.answer = FormatModelConfig(options.request.config);
    return options;
  }
  SetPrecision(flags, &options.request.precision);
  if (absl::Status status = SetLoras(flags.loras, &options.request); !status.ok()) return status;
  if (!flags.entry.empty()) {
    options.request.transformer_entries = {flags.entry};
    options.request.transformer_entry_required = true;
  }
  if (absl::Status status = CheckFiles(options.request); !status.ok()) return status;
  return options;
}

}  // namespace videodiffcr
