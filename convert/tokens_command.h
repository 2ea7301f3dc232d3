// videodiffcr-convert tokens: what a model reads of a prompt.
#ifndef VIDEODIFFCR_CONVERT_TOKENS_COMMAND_H_
#define VIDEODIFFCR_CONVERT_TOKENS_COMMAND_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace videodiffcr {

struct TokensCommand {
  std::string answer;  // what --help or --version prints, instead of the rest; mostly empty
  std::string model_folder;
  std::string prompt;
};

// `arguments` come after the word "tokens". InvalidArgument names the flag.
absl::StatusOr<TokensCommand> ParseTokensCommand(const std::vector<std::string_view>& arguments);

// The cleaned text, then a line per token: its number, its id and its piece, a space being "\u2581"; then what is
// unknown and what is too much. Errors name the file or the prompt.
absl::StatusOr<std::string> DescribeTokens(const TokensCommand& command);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_TOKENS_COMMAND_H_
