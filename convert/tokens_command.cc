#include "convert/tokens_command.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "command_line/command.h"
#include "command_line/printable_text.h"
#include "model/config/model_config.h"
#include "model/plain/text/tokenizer.h"

namespace videodiffcr {
namespace {

constexpr char kSpaceMark[] = "\u2581";

std::string Shown(const Token& token, const Tokenizer& tokenizer) {
  if (token.id == tokenizer.eos_id()) return "end of the prompt";
  const std::string text = PrintableText(absl::StrReplaceAll(token.text, {{" ", kSpaceMark}}));
  return token.id == tokenizer.unk_id() ? absl::StrCat(text, "  (unknown)") : text;
}

}  // namespace

absl::StatusOr<TokensCommand> ParseTokensCommand(const std::vector<std::string_view>& arguments) {
  TokensCommand tokens;
  std::vector<std::string> words;
  Command command({"videodiffcr-convert tokens", "prints what a model reads of a prompt",
                   "Cleaned as the server cleans it, and cut into the pieces of the model's vocabulary.",
                   "videodiffcr-convert tokens --model-folder models/tiny \"a red circle\""});
  command.AddFlag(
      {"model-folder", "FOLDER", "Folder of the model: config.json and spiece.model. Needed.", "models/wan"},
      ReadName(&tokens.model_folder));
  command.AddWords({"PROMPT...", "", "The prompt; several words are joined by spaces.", "a red circle"}, &words);
  const absl::StatusOr<ParsedCommand> parsed = command.Parse(arguments);
  if (!parsed.ok()) return parsed.status();
  tokens.answer = parsed->answer;
  if (!tokens.answer.empty()) return tokens;
  if (tokens.model_folder.empty()) return absl::InvalidArgumentError("--model-folder is needed");
  tokens.prompt = absl::StrJoin(words, " ");
  return tokens;
}

absl::StatusOr<std::string> DescribeTokens(const TokensCommand& command) {
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(command.model_folder);
  if (!config.ok()) return config.status();
  const absl::StatusOr<Tokenizer> tokenizer =
      Tokenizer::LoadFromFolder(command.model_folder, *config, /*truncate=*/true);
  if (!tokenizer.ok()) return tokenizer.status();
  const absl::StatusOr<PromptReading> reading = tokenizer->Read(command.prompt);
  if (!reading.ok()) return reading.status();
  const absl::StatusOr<TokenizedPrompt> prompt = tokenizer->Tokenize(command.prompt);
  if (!prompt.ok()) return prompt.status();
  std::string text = absl::StrCat("cleaned: ", PrintableText(reading->cleaned), "\n");
  for (size_t i = 0; i < reading->tokens.size(); ++i) {
    const Token& token = reading->tokens[i];
    absl::StrAppendFormat(&text, "%4d  %6d  %s\n", i, token.id, Shown(token, *tokenizer));
  }
  absl::StrAppend(&text, reading->tokens.size(), " tokens of at most ", tokenizer->max_tokens(), "\n");
  if (!prompt->unknown_words.empty()) {
    absl::StrAppend(&text, "unknown: ", PrintableText(absl::StrJoin(prompt->unknown_words, ", ")), "\n");
  }
  if (prompt->cut_tokens > 0) {
    absl::StrAppend(&text, "too long by ", prompt->cut_tokens,
                    " tokens: the server refuses it, or cuts them off with --long-prompts=truncate\n");
  }
  return text;
}

}  // namespace videodiffcr
