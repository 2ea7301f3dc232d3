// Prompts and what the original's cleaning makes of them (tools/make_prompt_tables.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "model/plain/text/prompt_cleaning.h"

namespace videodiffcr {
namespace {

TEST(PromptTable, EveryPromptIsReadAsTheOriginalReadsIt) {
  const char* other = std::getenv("VIDEODIFFCR_PROMPT_TABLE");  // a larger one of the same form
  std::ifstream file(other != nullptr ? other
                                      : std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) +
                                            "/tests/model/plain/text/testdata/prompts.jsonl");
  int prompts = 0, different = 0;
  for (std::string line; std::getline(file, line); ++prompts) {
    const nlohmann::json row = nlohmann::json::parse(line);
    const absl::StatusOr<std::string> ours = CleanPrompt(row[0].get<std::string>(), PromptCleaning::kWhitespace);
    ASSERT_TRUE(ours.ok()) << ours.status();
    if (*ours == row[1].get<std::string>()) continue;
    ++different;
    EXPECT_LT(different, 20) << "and more";
    EXPECT_EQ(*ours, row[1].get<std::string>()) << "of " << row[0];
  }
  EXPECT_GT(prompts, 500);
  EXPECT_EQ(different, 0) << "of " << prompts;
}

}  // namespace
}  // namespace videodiffcr
