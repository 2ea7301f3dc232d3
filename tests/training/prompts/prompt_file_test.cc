#include "training/prompts/prompt_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "training/prompts/csv_record.h"

namespace videodiffcr::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<PromptList> Read(PromptFormat format, const std::string& text, PromptFileOptions options = {}) {
  if (options.path.empty()) options.path = "prompts";
  std::istringstream file(text);
  return ReadPrompts(file, format, options);
}

TEST(CsvRecordTest, QuotedFieldsHoldCommasQuotesAndNewlines) {
  EXPECT_THAT(ParseCsvRecord("a,b").fields, ElementsAre("a", "b"));
  EXPECT_THAT(ParseCsvRecord("").fields, ElementsAre(""));
  EXPECT_THAT(ParseCsvRecord("a,").fields, ElementsAre("a", ""));
  EXPECT_THAT(ParseCsvRecord(",\"\",").fields, ElementsAre("", "", ""));
  EXPECT_THAT(ParseCsvRecord(R"(1,"a ""red"" ball, slow",x)").fields, ElementsAre("1", "a \"red\" ball, slow", "x"));
  EXPECT_THAT(ParseCsvRecord("\"two\nlines\",b").fields, ElementsAre("two\nlines", "b"));
  EXPECT_THAT(ParseCsvRecord("5\" screen,b").fields, ElementsAre("5\" screen", "b"));
  EXPECT_EQ(ParseCsvRecord("a,\"open").end, CsvEnd::kOpenQuote);
  EXPECT_EQ(ParseCsvRecord("a,\"open\"\"").end, CsvEnd::kOpenQuote);
  EXPECT_EQ(ParseCsvRecord("\"a\" b,c").end, CsvEnd::kBehindQuote);
}

TEST(PromptFileTest, TheEndOfTheNameSaysTheFormat) {
  EXPECT_EQ(PromptFormatOf("VidProM_unique.CSV"), PromptFormat::kCsv);
  EXPECT_EQ(PromptFormatOf("a.jsonl"), PromptFormat::kJsonLines);
  EXPECT_EQ(PromptFormatOf("a.txt"), PromptFormat::kText);
  EXPECT_EQ(PromptFormatOf("csv"), PromptFormat::kText);
}

TEST(PromptFileTest, TextIsOneALineWithoutRemarksAndEmptyLines) {
  const auto list = Read(PromptFormat::kText, "\xef\xbb\xbf# remark\r\n a cat \r\n\r\na dog");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->prompts, ElementsAre("a cat", "a dog"));
  EXPECT_EQ(list->skipped, 0);
  EXPECT_EQ(list->Report("prompts"), "");
}

// As VidProM's files are: other columns around it, newlines and commas in quotes.
TEST(PromptFileTest, CsvGivesTheColumnOfThatName) {
  const std::string text =
      "uuid,prompt,time,toxicity\n"
      "1,a cat,2023-11-13,0.1\n"
      "2,\"a \"\"red\"\" ball,\nthen a blue one\",2023-11-13,0.2\n"
      "\n"
      "3,a dog,2023-11-14,0.3\n";
  const auto list = Read(PromptFormat::kCsv, text);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->prompts, ElementsAre("a cat", "a \"red\" ball,\nthen a blue one", "a dog"));
  EXPECT_EQ(list->skipped, 0);
  PromptFileOptions other;
  other.column = "time";
  EXPECT_EQ(Read(PromptFormat::kCsv, text, other)->prompts.front(), "2023-11-13");
}

TEST(PromptFileTest, ABrokenLineIsNamedAndCountedAndCostsNoOther) {
  const auto list = Read(PromptFormat::kCsv,
                         "id,prompt\n"
                         "1\n"
                         "2,\"a cat\" x\n"
                         "3,a dog\n"
                         "4,\"never closed\n"
                         "5,a bird\n"
                         "6,a fish\n");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->prompts, ElementsAre("a dog", "a bird", "a fish"));
  EXPECT_EQ(list->Report("p.csv"),
            "p.csv: 3 lines skipped\n"
            "p.csv:2: 1 fields where the first line has 2\n"
            "p.csv:3: text behind a closing quote\n"
            "p.csv:5: a quote that is never closed\n");
}

TEST(PromptFileTest, ALineNumberCountsTheLinesThatARecordTook) {
  const auto list = Read(PromptFormat::kCsv, "prompt\n\"a\nb\nc\"\n\"x\" y\nd\n");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->prompts, ElementsAre("a\nb\nc", "d"));
  ASSERT_EQ(list->first_skipped.size(), 1u);
  EXPECT_EQ(list->first_skipped[0].line, 5);
}

TEST(PromptFileTest, AColumnThatIsNotThereIsAnErrorThatListsThoseThatAre) {
  PromptFileOptions options;
  options.path = "p.csv";
  options.column = "caption";
  const auto list = Read(PromptFormat::kCsv, "uuid,prompt\n1,a cat\n", options);
  EXPECT_THAT(std::string(list.status().message()),
              "p.csv: no column \"caption\"; there are: uuid, prompt (--prompt-column)");
}

TEST(PromptFileTest, JsonLinesAreObjectsWithTheKey) {
  const auto list = Read(PromptFormat::kJsonLines,
                         "{\"prompt\": \"a cat\\n\", \"n\": 1}\n"
                         "\n"
                         "{\"prompt\": 3}\n"
                         "[\"a dog\"]\n"
                         "{\"prompt\": \"a dog\"\n"
                         "{\"text\": \"a dog\"}\n"
                         "{\"prompt\": \"a bird\"}\n");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->prompts, ElementsAre("a cat\n", "a bird"));
  EXPECT_EQ(list->Report("p"),
            "p: 4 lines skipped\np:3: \"prompt\" is no text\np:4: not a JSON object\np:5: not JSON\n"
            "p:6: no \"prompt\"\n");
}

TEST(PromptFileTest, WhatTheTokenizerRefusesIsABrokenLine) {
  PromptFileOptions options;
  options.check = [](std::string_view prompt) {
    return prompt.find('?') != std::string_view::npos ? absl::InvalidArgumentError("is a question") : absl::OkStatus();
  };
  const auto list = Read(PromptFormat::kText, "a cat\na dog?\n", options);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->prompts, ElementsAre("a cat"));
  EXPECT_EQ(list->first_skipped.at(0).why, "is a question");
}

TEST(PromptFileTest, ReadingEndsWithTheMostPromptsAndNamesOnlyTheFirstBrokenLines) {
  PromptFileOptions options;
  options.most = 2;
  EXPECT_THAT(Read(PromptFormat::kText, "a\nb\nc\n", options)->prompts, ElementsAre("a", "b"));
  std::string broken = "prompt,x\n";
  for (int i = 0; i < 30; ++i) broken += "only one\n";
  const auto list = Read(PromptFormat::kCsv, broken + "a cat,1\n");
  EXPECT_EQ(list->skipped, 30);
  EXPECT_EQ(list->first_skipped.size(), kMostNamedLines);
  EXPECT_THAT(list->Report("p"), HasSubstr("..."));
}

TEST(PromptFileTest, AFileWithoutAPromptIsAnErrorThatSaysWhatWasWrong) {
  const auto list = Read(PromptFormat::kJsonLines, "{}\n");
  EXPECT_THAT(std::string(list.status().message()), HasSubstr("holds no prompt"));
  EXPECT_THAT(std::string(list.status().message()), HasSubstr("prompts:1: no \"prompt\""));
  EXPECT_FALSE(Read(PromptFormat::kText, "").ok());
  EXPECT_FALSE(Read(PromptFormat::kCsv, "").ok());
}

TEST(PromptFileTest, ALineBeyondTheLimitIsSkippedWithoutBeingHeld) {
  const auto list = Read(PromptFormat::kText, std::string(kMostPromptLineBytes + 1, 'x') + "\na cat\n");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_THAT(list->prompts, ElementsAre("a cat"));
  EXPECT_EQ(list->skipped, 1);
  // In quotes, over many lines.
  std::string open = "prompt\n\"";
  while (open.size() < kMostPromptLineBytes + 100) open += std::string(1000, 'y') + "\n";
  const auto csv = Read(PromptFormat::kCsv, open + "a cat\n");
  ASSERT_TRUE(csv.ok()) << csv.status();
  EXPECT_EQ(csv->prompts.back(), "a cat");
  EXPECT_EQ(csv->first_skipped.at(0).line, 2);
}

TEST(PromptFileTest, AFileThatCannotBeReadIsNamed) {
  PromptFileOptions options;
  options.path = testing::TempDir() + "/no_such_file.txt";
  const auto list = ReadPromptFile(options);
  EXPECT_EQ(list.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(list.status().message()), HasSubstr("no_such_file.txt"));
  for (const std::string& path : {testing::TempDir(), std::string("/dev/zero")}) {
    options.path = path;
    EXPECT_THAT(std::string(ReadPromptFile(options).status().message()), HasSubstr("is not a regular file"));
  }
  // It calls itself a regular file; its reader would wait for the kernel's next word.
  options.path = "/proc/kmsg";
  EXPECT_THAT(std::string(ReadPromptFile(options).status().message()), HasSubstr("/proc/kmsg: cannot be"));
}

TEST(PromptFileTest, AFileIsReadToItsEndWhateverItsLength) {
  PromptFileOptions options;
  options.path = testing::TempDir() + "/many_prompts.txt";
  options.most = 100'000;
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += absl::StrCat("prompt number ", i, "\n");
  std::ofstream(options.path) << text;
  const auto list = ReadPromptFile(options);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->prompts.size(), 20'000U);
  EXPECT_EQ(list->prompts.back(), "prompt number 19999");
  std::filesystem::remove(options.path);
}

TEST(PromptFileTest, AFileWithoutAnEndIsLeftAtTheMostBytes) {
  PromptFileOptions options;
  options.path = testing::TempDir() + "/endless_prompts.txt";
  options.most_bytes = 1 << 20;
  std::ofstream(options.path) << "a cat\n";
  std::filesystem::resize_file(options.path, uintmax_t{1} << 40);
  const auto list = ReadPromptFile(options);
  EXPECT_EQ(list.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(list.status().message()), HasSubstr(options.path + ": its first 1048576 bytes"));
  // Enough prompts before that are enough.
  options.most = 1;
  EXPECT_TRUE(ReadPromptFile(options).ok());
  std::filesystem::remove(options.path);
}

}  // namespace
}  // namespace videodiffcr::training
