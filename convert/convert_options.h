// The command line of videodiffcr-convert.
#ifndef VIDEODIFFCR_CONVERT_CONVERT_OPTIONS_H_
#define VIDEODIFFCR_CONVERT_CONVERT_OPTIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "convert/model_conversion.h"

namespace videodiffcr {

struct ConvertOptions {
  enum class Action { kConvert, kPrintConfig, kHelp };
  Action action = Action::kConvert;
  ConversionRequest request;  // complete for kConvert; only its config for kPrintConfig
};

// `arguments` come without the program's name, as --name VALUE or --name=VALUE. Reads the file of --config.
// InvalidArgument names the flag and its value.
absl::StatusOr<ConvertOptions> ParseConvertOptions(const std::vector<std::string>& arguments);

// What --help prints.
std::string ConvertHelp();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_CONVERT_OPTIONS_H_
