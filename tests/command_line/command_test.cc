#include "command_line/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// A program that paints, and what its flags hold.
struct Painter {
  Painter() {
    command.AddFlag({"wall-colour", "COLOUR", "Colour of the wall.", "red"}, ReadString(&colour));
    command.BeginGroup("Effort");
    command.AddFlag({"coats", "N", "Coats of paint.", "2"}, ReadInteger(1, 9, &coats));
    command.AddRepeatedFlag({"tool", "NAME", "A tool at hand.", "brush"}, AppendName(&tools));
    command.AddSwitch("windows-too", "Paints over windows.", &windows);
    command.AddSwitch("ladder", "Climbs.", &ladder);
  }

  absl::StatusOr<ParsedCommand> Parse(const std::vector<std::string_view>& arguments) {
    return command.Parse(arguments);
  }

  Command command{{"painter", "paints walls", "Not in the rain.", "painter --coats 2"}};
  std::string colour = "white";
  int64_t coats = 1;
  std::vector<std::string> tools;
  bool windows = false;
  bool ladder = true;
};

std::string ErrorOf(const std::vector<std::string_view>& arguments) {
  Painter painter;
  const absl::StatusOr<ParsedCommand> parsed = painter.Parse(arguments);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(parsed.status().message());
}

TEST(CommandTest, EveryKindOfFlagArrives) {
  Painter painter;
  const auto parsed = painter.Parse(
      {"--wall-colour", "dark red", "--coats=2", "--tool", "brush", "--tool=roller", "--windows-too", "--no-ladder"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->answer, "");
  EXPECT_EQ(painter.colour, "dark red");
  EXPECT_EQ(painter.coats, 2);
  EXPECT_THAT(painter.tools, ElementsAre("brush", "roller"));
  EXPECT_TRUE(painter.windows);
  EXPECT_FALSE(painter.ladder);
}

TEST(CommandTest, WithoutFlagsNothingChanges) {
  Painter painter;
  ASSERT_TRUE(painter.Parse({}).ok());
  EXPECT_EQ(painter.colour, "white");
  EXPECT_EQ(painter.coats, 1);
  EXPECT_THAT(painter.tools, IsEmpty());
  EXPECT_TRUE(painter.ladder);
}

TEST(CommandTest, UnderscoresInANameAreReadAsDashes) {
  for (const std::vector<std::string_view>& arguments :
       std::vector<std::vector<std::string_view>>{{"--wall_colour=red", "--windows_too", "--noladder"},
                                                  {"--wall_colour", "red", "--windows-too=yes", "--ladder=no"}}) {
    Painter painter;
    ASSERT_TRUE(painter.Parse(arguments).ok()) << arguments[0];
    EXPECT_EQ(painter.colour, "red");
    EXPECT_TRUE(painter.windows);
    EXPECT_FALSE(painter.ladder);
  }
}

TEST(CommandTest, AValueStaysAsItIs) {
  for (const std::string_view value : {"light_grey", "--light_grey", "--coats=3", "--help", "-1", "", "a=b_c", "--",
                                       "[a,b]", "--light_grey=", " ", "++", "-h"}) {
    Painter apart, together;
    ASSERT_TRUE(apart.Parse({"--wall-colour", value, "--coats", "2"}).ok()) << value;
    EXPECT_EQ(apart.colour, value);
    EXPECT_EQ(apart.coats, 2);
    const std::string word = "--wall-colour=" + std::string(value);
    ASSERT_TRUE(together.Parse({word, "--coats", "2"}).ok()) << value;
    EXPECT_EQ(together.colour, value);
    EXPECT_EQ(together.coats, 2);
  }
}

TEST(CommandTest, AnUnknownFlagIsNamedWithTheOneThatMayBeMeant) {
  EXPECT_EQ(ErrorOf({"--speed", "fast"}), "unknown flag --speed");
  EXPECT_EQ(ErrorOf({"--coat=3"}), "unknown flag --coat; did you mean --coats?");
  EXPECT_EQ(ErrorOf({"--no-windows-too"}), "unknown flag --no-windows-too");
  EXPECT_EQ(ErrorOf({"-x"}), "unknown flag -x");
}

TEST(CommandTest, AWordThatIsNoFlagIsNamed) {
  EXPECT_EQ(ErrorOf({"quickly"}), "unexpected argument 'quickly': flags begin with --");
  EXPECT_EQ(ErrorOf({"--", "--coats"}), "unexpected argument '--coats': flags begin with --");
  EXPECT_EQ(ErrorOf({""}), "unexpected argument '': flags begin with --");
}

TEST(CommandTest, AWrongValueIsNamedWithItsFlagAndWhatItMustBe) {
  EXPECT_EQ(ErrorOf({"--coats", "many"}), "--coats is 'many'; it must be a whole number from 1 to 9");
  EXPECT_EQ(ErrorOf({"--coats="}), "--coats is ''; it must be a whole number from 1 to 9");
  EXPECT_EQ(ErrorOf({"--coats=2", "--tool="}), "--tool is ''; it must not be empty");
  EXPECT_EQ(ErrorOf({"--ladder=perhaps"}), "--ladder is 'perhaps'; it must be yes or no");
  EXPECT_THAT(ErrorOf({"--ladder="}), EndsWith("it must be yes or no"));
}

TEST(CommandTest, AFlagWithoutItsValueSaysWhatItNeeds) {
  EXPECT_EQ(ErrorOf({"--coats"}), "--coats needs a value: N");
  EXPECT_EQ(ErrorOf({"--coats=2", "--wall_colour"}), "--wall-colour needs a value: COLOUR");
}

TEST(CommandTest, ASingleFlagGivenTwiceIsAnError) {
  EXPECT_EQ(ErrorOf({"--coats=1", "--coats", "1"}), "--coats is given twice");
  EXPECT_EQ(ErrorOf({"--wall-colour=a", "--wall_colour=b"}), "--wall-colour is given twice");
  EXPECT_EQ(ErrorOf({"--ladder", "--noladder"}), "--ladder is given twice");
}

TEST(CommandTest, TheLastOfAFlagGivenTwiceCountsWhereThatIsWanted) {
  Painter painter;
  painter.command.LetTheLastCount();
  const auto parsed = painter.Parse({"--wall-colour=a", "--coats=1", "--coats=2", "--wall_colour=b"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(painter.coats, 2);
  EXPECT_EQ(painter.colour, "b");
}

TEST(CommandTest, TheHelpListsEveryFlagWithItsDefaultAndAnExample) {
  EXPECT_EQ(Painter().command.Help(), R"(painter: paints walls

Not in the rain.

Example:
  painter --coats 2

Flags:
  --wall-colour COLOUR
      Colour of the wall.
      Default: white. Example: --wall-colour red

Effort:
  --coats N
      Coats of paint.
      Default: 1. Example: --coats 2
  --tool NAME
      A tool at hand. May be given several times.
      Example: --tool brush
  --windows-too
      Paints over windows.
      Default: no. Example: --windows-too
  --ladder, --no-ladder
      Climbs.
      Default: yes. Example: --no-ladder

Everywhere:
  -h, --help
      Prints this and ends.
  --version
      Prints the name and the version and ends.
)");
}

TEST(CommandTest, HelpAndVersionAreAnsweredWhateverElseIsWrong) {
  for (const std::string_view word : {"--help", "-h"}) {
    Painter painter;
    const auto parsed = painter.Parse({"--coats=many", "--speed", word});
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->answer, painter.command.Help());
  }
  EXPECT_THAT(Painter().Parse({"--version", "rain"})->answer, StartsWith("painter "));
}

TEST(CommandTest, AnErrorOfAConfigurationNamesFlagsWhereItNamedTheirFields) {
  const auto named = [](const char* message) { return Painter().command.NameFlags(absl::OutOfRangeError(message)); };
  EXPECT_EQ(named("coats is 0; it must be from 1 to 9"), absl::OutOfRangeError("--coats is 0; it must be from 1 to 9"));
  EXPECT_EQ(named("wall_colour is 'red'; it must not be that of wall_colour before").message(),
            "--wall-colour is 'red'; it must not be that of --wall-colour before");
  // Words that only happen to be the names of flags, fields without a flag, and switches.
  EXPECT_EQ(named("coats, that is, coats of paint are wall-colour").message(),
            "coats, that is, coats of paint are wall-colour");
  EXPECT_EQ(named("brush_width is 0").message(), "brush_width is 0");
  EXPECT_EQ(named("windows_too goes with ladders alone").message(), "windows_too goes with ladders alone");
  EXPECT_EQ(Painter().command.NameFlags(absl::OkStatus()), absl::OkStatus());
}

// A program of two subcommands, one with a flag and one with words.
struct Builder {
  Builder() {
    Command* paint = command.AddSubcommand({"paint", "paints a wall", "", "builder paint --coats 2"});
    subcommand = paint;
    paint->AddFlag({"coats", "N", "Coats of paint.", "2"}, ReadInteger(&coats));
    Command* carry = command.AddSubcommand({"carry-out", "carries things out", "", "builder carry-out chair table"});
    carry->AddWords({"THING...", "", "What to carry.", "chair table"}, &things);
  }

  Command command{{"builder", "builds houses", "", "builder paint"}};
  Command* subcommand = nullptr;  // that which paints
  int coats = 1;
  std::vector<std::string> things;
};

TEST(CommandTest, ASubcommandReadsItsOwnFlags) {
  Builder builder;
  const auto parsed = builder.command.Parse({"paint", "--coats", "-3"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->subcommand, "paint");
  EXPECT_EQ(builder.coats, -3);
  EXPECT_THAT(builder.subcommand->Arguments(), ElementsAre("--coats", "-3"));
}

TEST(CommandTest, AFlagIsGivenThatStandsOnTheCommandLineAlsoWithItsDefault) {
  Builder given, not_given;
  ASSERT_TRUE(given.command.Parse({"paint", "--coats=1"}).ok());
  EXPECT_TRUE(given.subcommand->IsGiven("coats"));
  EXPECT_FALSE(given.subcommand->IsGiven("windows"));
  ASSERT_TRUE(not_given.command.Parse({"paint"}).ok());
  EXPECT_FALSE(not_given.subcommand->IsGiven("coats"));
}

TEST(CommandTest, WordsAreTakenWhereTheyAreWanted) {
  Builder builder;
  ASSERT_TRUE(builder.command.Parse({"carry-out", "chair", "paint"}).ok());
  EXPECT_THAT(builder.things, ElementsAre("chair", "paint"));
  EXPECT_EQ(Builder().command.Parse({"carry-out"}).status().message(), "THING... is missing");
  Painter painter;
  std::vector<std::string> walls;
  painter.command.AddWords({"WALL...", "", "What to paint.", "north"}, &walls);
  ASSERT_TRUE(painter.Parse({"north", "--coats", "2", "west", "--", "--coats"}).ok());
  EXPECT_THAT(walls, ElementsAre("north", "west", "--coats"));
  EXPECT_EQ(painter.coats, 2);
}

TEST(CommandTest, AWrongOrMissingSubcommandIsAnError) {
  const auto error_of = [](const std::vector<std::string_view>& arguments) {
    return std::string(Builder().command.Parse(arguments).status().message());
  };
  EXPECT_EQ(error_of({}), "a subcommand is missing");
  EXPECT_EQ(error_of({"wash"}), "unknown subcommand 'wash'");
  EXPECT_EQ(error_of({"paint", "carry-out"}), "unexpected argument 'carry-out': flags begin with --");
  EXPECT_EQ(error_of({"--coats=2", "paint"}), "unknown flag --coats; flags stand behind the subcommand");
  EXPECT_EQ(error_of({"paint", "--coat=2"}), "unknown flag --coat; did you mean --coats?");
  EXPECT_EQ(error_of({"paint", "--coats"}), "--coats needs a value: N");
}

TEST(CommandTest, TheHelpOfASubcommandIsItsOwnAndThatOfTheProgramListsThem) {
  EXPECT_THAT(Builder().command.Help(), HasSubstr("\nSubcommands:\n  builder paint      paints a wall\n"
                                                  "  builder carry-out  carries things out\n"));
  EXPECT_THAT(Builder().command.Help(), Not(HasSubstr("--coats N")));
  const std::string help = Builder().command.Parse({"paint", "--help"})->answer;
  EXPECT_THAT(help, StartsWith("builder paint: paints a wall\n\nExample:\n  builder paint --coats 2\n"));
  EXPECT_THAT(help, HasSubstr("  --coats N\n      Coats of paint.\n      Default: 1. Example: --coats 2\n"));
  EXPECT_THAT(Builder().command.Parse({"paint", "--version"})->answer, StartsWith("builder "));
}

TEST(FlagReaderTest, BudgetsAreSharesAndAreUnderstoodInTenths) {
  std::vector<int> budgets = {10, 5};
  const FlagReader reader = ReadBudgets(&budgets);
  EXPECT_EQ(reader.default_text, "1,0.5");
  for (const auto& [text, tenths] : std::vector<std::pair<std::string, std::vector<int>>>{
           {"1,0.7", {10, 7}}, {"10,7", {10, 7}}, {"0.1", {1}}, {"1.0,.5", {10, 5}}, {"2", {2}}, {"", {}}}) {
    EXPECT_TRUE(reader.read(text).ok()) << text;
    EXPECT_EQ(budgets, tenths) << text;
  }
  for (const char* const wrong : {"0", "-0.5", "0.75", "11", "1.5", "7.5", "half", "nan", "inf", "0.7;0.5", "1e300"}) {
    EXPECT_THAT(std::string(reader.read(wrong).message()), HasSubstr("shares in tenths, 0.1 to 1")) << wrong;
  }
  int budget = 7;
  EXPECT_EQ(ReadBudget(&budget).default_text, "0.7");
  EXPECT_TRUE(ReadBudget(&budget).read("0.5").ok());
  EXPECT_EQ(budget, 5);
  EXPECT_FALSE(ReadBudget(&budget).read("0.7,0.5").ok());
}

}  // namespace
}  // namespace videodiffcr
