// The command line of videodiffcr-convert.
#ifndef VIDEODIFFCR_CONVERT_CONVERT_OPTIONS_H_
#define VIDEODIFFCR_CONVERT_CONVERT_OPTIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "convert/model_conversion.h"

namespace videodiffcr {

struct ConvertOptions {
  std::string answer;         // what --help, --version or --print-config prints, instead of converting; mostly empty
  ConversionRequest request;  // complete when there is nothing to answer
};

// `arguments` come without the program's name. Reads the file of --config. InvalidArgument names the flag and its
// value.
absl::StatusOr<ConvertOptions> ParseConvertOptions(const std::vector<std::string_view>& arguments);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_CONVERT_OPTIONS_H_
