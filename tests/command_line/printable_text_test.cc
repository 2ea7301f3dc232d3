#include "command_line/printable_text.h"

#include <string>

#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

TEST(PrintableTextTest, WordsOfAnyLanguageStayAsTheyAre) {
  for (const std::string text : {"", "a red circle", "caf\u00E9 \u732B \U0001F600 e\u0301", "C:\\x1b"}) {
    EXPECT_EQ(PrintableText(text), text);
  }
}

TEST(PrintableTextTest, WhatSteersATerminalIsWrittenOut) {
  EXPECT_EQ(PrintableText("\x1B[2J\x1B]0;title\x07"), "\\x1b[2J\\x1b]0;title\\x07");
  EXPECT_EQ(PrintableText("a\r\nb\tc\x7F\b"), "a\\x0d\\x0ab\\x09c\\x7f\\x08");
  EXPECT_EQ(PrintableText(std::string("\0a", 2)), "\\x00a");
  EXPECT_EQ(PrintableText("\u009B31m\u0085"), "\\xc2\\x9b31m\\xc2\\x85");
  EXPECT_EQ(PrintableText("\u202Eevil\u2066\u200F\u2028"),
            "\\xe2\\x80\\xaeevil\\xe2\\x81\\xa6\\xe2\\x80\\x8f\\xe2\\x80\\xa8");
}

TEST(PrintableTextTest, BytesThatAreNoUtf8AreWrittenOut) {
  EXPECT_EQ(PrintableText("\x9B"
                          "31m"),
            "\\x9b31m");
  EXPECT_EQ(PrintableText("\xC3"), "\\xc3");
  EXPECT_EQ(PrintableText("\xE2\x82"), "\\xe2\\x82");
  EXPECT_EQ(PrintableText("\xC0\x9B\xED\xA0\x80\xF5"), "\\xc0\\x9b\\xed\\xa0\\x80\\xf5");
  EXPECT_EQ(PrintableText("\xE0\x80\x9B"), "\\xe0\\x80\\x9b") << "an escape written longer than it needs to be";
}

}  // namespace
}  // namespace videodiffcr
