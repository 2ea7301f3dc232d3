// The parts of `videodiffcr load` that need no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/load/arrivals.h"
#include "client/load/load_options.h"
#include "client/load/load_plot.h"
#include "client/load/load_result.h"
#include "client/load/load_run.h"
#include "client/load/requirements.h"
#include "client/load/viewer.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string TempFile(const std::string& content) {
  const std::string path = absl::StrCat(::testing::TempDir(), "load_units_", getpid());
  std::ofstream(path) << content;
  return path;
}

std::vector<absl::Duration> TimesOf(const std::string& text, absl::Duration duration, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  const absl::StatusOr<Arrivals> arrivals = ParseArrivals(text);
  EXPECT_TRUE(arrivals.ok()) << arrivals.status();
  const absl::StatusOr<std::vector<absl::Duration>> times = ArrivalTimes(*arrivals, duration, &random);
  EXPECT_TRUE(times.ok()) << times.status();
  return *times;
}

TEST(ConnectionsTest, ViewersHaveConnectionsOfTheirOwnAndWhereTheyAreManyShareThem) {
  EXPECT_EQ(ConnectionsFor(1), 1);
  EXPECT_EQ(ConnectionsFor(64), 64);
  EXPECT_EQ(ConnectionsFor(65), 64);
  EXPECT_EQ(ConnectionsFor(512), 64);
  EXPECT_EQ(ConnectionsFor(513), 65);
  EXPECT_EQ(ConnectionsFor(1000), 125);
}

TEST(ArrivalsTest, ABurstComesWholeAndAgain) {
  EXPECT_THAT(TimesOf("burst:2@10s", absl::Seconds(11)),
              ElementsAre(absl::ZeroDuration(), absl::ZeroDuration(), absl::Seconds(10), absl::Seconds(10)));
}

TEST(ArrivalsTest, PoissonArrivalsComeAtTheirRateAndTheSameForASeed) {
  const auto times = TimesOf("poisson:10", absl::Seconds(1000));
  EXPECT_NEAR(static_cast<double>(times.size()), 10'000, 400);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  EXPECT_EQ(times, TimesOf("poisson:10", absl::Seconds(1000)));
  EXPECT_NE(times, TimesOf("poisson:10", absl::Seconds(1000), 2));
}

TEST(ArrivalsTest, ATraceIsReadSortedAndCut) {
  const std::string path = TempFile("# three\n2\n0.5\n\n99\n");
  EXPECT_THAT(TimesOf("trace:" + path, absl::Seconds(10)), ElementsAre(absl::Milliseconds(500), absl::Seconds(2)));
  std::remove(path.c_str());
}

TEST(ArrivalsTest, AWrongTraceNamesItsLine) {
  const std::string path = TempFile("1\nsoon\n");
  std::mt19937_64 random(1);
  const auto times = ArrivalTimes(*ParseArrivals("trace:" + path), absl::Seconds(10), &random);
  EXPECT_THAT(std::string(times.status().message()), HasSubstr(path + ":2: must be a number of seconds"));
  std::remove(path.c_str());
}

TEST(ArrivalsTest, AClosedLoopHasNoArrivalsOfItsOwn) {
  EXPECT_EQ(ParseArrivals("closed:8")->count, 8);
  EXPECT_THAT(TimesOf("closed:8", absl::Seconds(10)), IsEmpty());
}

TEST(ArrivalsTest, WhatIsNoneIsRefused) {
  for (const char* text : {"", "closed", "closed:0", "closed:x", "poisson:0", "poisson:-1", "poisson:nan", "burst:2",
                           "burst:2@0s", "burst:@1s", "trace:", "often:3"}) {
    EXPECT_EQ(ParseArrivals(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(RequirementsTest, EveryRelationHoldsWhereItShould) {
  const std::map<std::string, double> figures = {{"cpr", 0.99}, {"lost", 0}};
  const auto check = [&](const std::string& text) { return CheckRequirements(*ParseRequirements(text), figures).ok(); };
  EXPECT_TRUE(check("cpr>=0.99,lost==0"));
  EXPECT_TRUE(check("cpr<=0.99,cpr>0.98,cpr<1"));
  EXPECT_FALSE(check("cpr>0.99"));
  EXPECT_FALSE(check("cpr<0.99"));
  EXPECT_FALSE(check("lost==1"));
  EXPECT_FALSE(check("no_such_figure>=0"));
}

TEST(RequirementsTest, WhatDoesNotHoldIsNamedWithWhatThereIs) {
  const absl::Status status = CheckRequirements(*ParseRequirements("cpr>=0.99,lost==0"), {{"cpr", 0.5}, {"lost", 3}});
  EXPECT_THAT(std::string(status.message()), HasSubstr("cpr is 0.5, not >= 0.99; lost is 3, not == 0"));
}

// Of a server that refused everybody no chunk was late.
TEST(RequirementsTest, AFigureThatNothingWasMeasuredForDoesNotHold) {
  ViewerOutcome refused;
  refused.end = ViewerEnd::kRefused;
  refused.lasted = absl::Milliseconds(3);
  const std::map<std::string, double> figures = FiguresOf({refused});
  const auto check = [&](const std::string& text) { return CheckRequirements(*ParseRequirements(text), figures).ok(); };
  for (const char* text : {"cpr>=0.99", "least_cpr>=0.99", "misses==0", "changed==0", "damaged==0", "floor_crossed==0",
                           "first_chunk_p99_ms<=1000", "first_frames_p99_ms<=1000", "overhead_p99_ms<=3"}) {
    EXPECT_FALSE(check(text)) << text;
  }
  EXPECT_TRUE(check("refused==1,refusal_p99_ms<=10,finished==0,failed==0,lost==0"));
  EXPECT_THAT(std::string(CheckRequirements(*ParseRequirements("cpr>=0.99"), figures).message()),
              HasSubstr("cpr says nothing, since timed_chunks is 0"));
  EXPECT_FALSE(CheckRequirements(*ParseRequirements("failed==0"), FiguresOf({})).ok()) << "nobody came";
}

TEST(RequirementsTest, WhatSaysHowMuchAFigureWasMeasuredOfIsAFigureToo) {
  for (const auto& [figure, value] : FiguresOf({})) {
    const std::string behind = FigureBehind(figure);
    EXPECT_TRUE(behind.empty() || (FiguresOf({}).count(behind) == 1 && FigureBehind(behind).empty())) << figure;
  }
}

TEST(RequirementsTest, WhatIsNoneIsRefused) {
  for (const char* text : {"", "cpr", "cpr=1", ">=1", "cpr>=", "cpr>=x", "cpr>=0.9,,lost==0"}) {
    EXPECT_EQ(ParseRequirements(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

ViewerOutcome Outcome(const std::vector<double>& slacks_ms) {
  ViewerOutcome outcome;
  outcome.lasted = absl::Seconds(1);
  for (const double slack : slacks_ms) {
    ChunkSample chunk;
    chunk.first = outcome.chunks.empty();
    chunk.has_deadline = !chunk.first;
    chunk.slack = absl::Milliseconds(slack);
    chunk.since_last = absl::Milliseconds(100);
    outcome.chunks.push_back(chunk);
  }
  outcome.expected_chunks = static_cast<int64_t>(outcome.chunks.size());
  return outcome;
}

TEST(LoadResultTest, TheFiguresOfNothingAreThereToo) {
  const auto figures = FiguresOf({});
  EXPECT_EQ(figures.at("cpr"), 1);
  EXPECT_EQ(figures.at("sessions"), 0);
  EXPECT_EQ(figures.at("first_chunk_p99_ms"), 0);
}

TEST(LoadResultTest, FirstFramesAreThoseOfSessionsThatHadAChunk) {
  ViewerOutcome early = Outcome({0, 1}), late = Outcome({0}), killed;
  early.first_frames = absl::Milliseconds(80);
  late.first_frames = absl::Milliseconds(120);
  killed.end = ViewerEnd::kKilled;
  const auto figures = FiguresOf({early, late, killed});
  EXPECT_EQ(figures.at("first_frames_p50_ms"), 80);
  EXPECT_EQ(figures.at("first_frames_p99_ms"), 120);
  EXPECT_EQ(figures.at("first_chunk_p50_ms"), 100);
}

TEST(LoadResultTest, MissesGoodSessionsAndWhatIsMissingAreCounted) {
  ViewerOutcome late = Outcome({0, 5, -5, -1, 7});
  late.expected_chunks = 6;
  ViewerOutcome refused;
  refused.end = ViewerEnd::kRefused;
  refused.lasted = absl::Milliseconds(3);
  const auto figures = FiguresOf({Outcome({0, 1, 2, 3, 4}), late, refused});
  EXPECT_EQ(figures.at("sessions"), 3);
  EXPECT_EQ(figures.at("finished"), 2);
  EXPECT_EQ(figures.at("misses"), 2);
  EXPECT_DOUBLE_EQ(figures.at("cpr"), 0.75) << "the first chunk of each has no deadline";
  EXPECT_EQ(figures.at("goodput"), 0.5);
  EXPECT_EQ(figures.at("least_cpr"), 0.5);
  EXPECT_EQ(figures.at("lost"), 1);
  EXPECT_EQ(figures.at("refused"), 1);
  EXPECT_EQ(figures.at("refusal_p99_ms"), 3);
}

TEST(LoadResultTest, WhatASessionThatFailedShouldHaveHadIsLost) {
  ViewerOutcome failed = Outcome({0, 1});
  failed.end = ViewerEnd::kFailed;
  failed.expected_chunks = 8;
  ViewerOutcome killed = Outcome({0});
  killed.end = ViewerEnd::kKilled;
  killed.expected_chunks = 8;
  EXPECT_EQ(FiguresOf({failed, killed}).at("lost"), 6) << "who leaves misses nothing";
}

TEST(LoadResultTest, OverheadIsWhatIsLeftOfAChunksTimeAndItsQuantilesAreOfAllChunks) {
  v1::StageTimings timings;
  timings.mutable_total()->set_nanos(100'000'000);
  timings.mutable_queue()->set_nanos(10'000'000);
  timings.mutable_text()->set_nanos(1'000'000);
  timings.mutable_denoise()->set_nanos(50'000'000);
  timings.mutable_context()->set_nanos(40'000'000);  // no part of the total
  timings.mutable_delivery_queue()->set_nanos(5'000'000);
  timings.mutable_decode()->set_nanos(20'000'000);
  timings.mutable_encode()->set_nanos(10'000'000);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(OverheadOf(timings)), 4, 1e-9);
  ViewerOutcome one = Outcome({0, 0, 0}), other = Outcome({0});
  other.chunks[0].overhead = absl::Milliseconds(7);
  const auto figures = FiguresOf({one, other});
  EXPECT_EQ(figures.at("overhead_p50_ms"), 0);
  EXPECT_EQ(figures.at("overhead_p99_ms"), 7);
}

absl::StatusOr<LoadOptions> ParseLoad(const std::vector<std::string_view>& arguments) {
  LoadOptions options;
  Command command({"load", "", "", ""});
  AddLoadFlags(&options, &command);
  const auto parsed = command.Parse(arguments);
  if (!parsed.ok()) return parsed.status();
  return options;
}

TEST(LoadOptionsTest, AMixHasFloorsOfItsOwn) {
  const absl::StatusOr<LoadOptions> options = ParseLoad({"--budgets=1/0.5,0.9,0.7/0.6", "--floor=0.8"});
  ASSERT_TRUE(options.ok()) << options.status();
  std::set<std::pair<double, double>> seen;
  std::mt19937_64 random(1);
  for (int i = 0; i < 100; ++i) {
    const v1::Retention retention = DrawViewer(*options, {"a prompt"}, &random).config.retention();
    seen.insert({retention.target(), retention.floor()});
  }
  EXPECT_THAT(seen, ElementsAre(std::pair(0.7, 0.6), std::pair(0.9, 0.8), std::pair(1.0, 0.5)));
}

TEST(LoadOptionsTest, TimesAreFromZeroOnAndEnd) {
  for (const char* flag : {"--duration=-5s", "--duration=inf", "--slow-pause=-1s", "--slow-pause=inf"}) {
    EXPECT_EQ(ParseLoad({flag}).status().code(), absl::StatusCode::kInvalidArgument) << flag;
  }
  EXPECT_TRUE(ParseLoad({"--duration=0s", "--slow-pause=0s"}).ok());
}

TEST(LoadOptionsTest, AFloorAboveItsBudgetIsRefused) {
  for (const char* budgets :
       {"--budgets=0.7/0.8", "--budgets=0.7,", "--budgets=1/0.7/0.5", "--budgets=1/", "--budgets=1.1"}) {
    EXPECT_EQ(ParseLoad({budgets}).status().code(), absl::StatusCode::kInvalidArgument) << budgets;
  }
  EXPECT_THAT(std::string(ParseLoad({"--budgets=1,0.7", "--floor=0.8"}).status().message()),
              HasSubstr("--floor is 0.8"));
}

TEST(LoadOptionsTest, ARequirementOfAFigureThatThereIsNotIsRefusedBeforeTheLoad) {
  const absl::Status status = ParseLoad({"--require=cpr>=0.99,lsot==0"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--require asks for 'lsot'; the figures are changed, chunks,"));
  EXPECT_TRUE(ParseLoad({"--require=cpr>=0.99,lost==0"}).ok());
}

TEST(LoadResultTest, LoweredBudgetsAndCrossedFloorsAreToldApart) {
  ViewerOutcome outcome = Outcome({0, 0, 0});
  outcome.target = 0.9;
  outcome.floor = 0.8;
  outcome.chunks[0].nominal = 0.9;
  outcome.chunks[1].nominal = 0.8;
  outcome.chunks[2].nominal = 0.7;
  const auto figures = FiguresOf({outcome});
  EXPECT_EQ(figures.at("lowered_chunks"), 2);
  EXPECT_EQ(figures.at("floor_crossed"), 1);
}

TEST(LoadResultTest, FiguresComeBackFromTheirFileAndAreCompared) {
  const std::map<std::string, double> figures = {{"cpr", 0.75}, {"lost", 0}};
  const std::string path = TempFile(FiguresToJson(figures, {{"server", "here"}}));
  const auto read = ReadFigures(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, figures);
  const std::string table = FigureTable({{"cpr", 0.9}, {"new", 1}}, &figures);
  EXPECT_THAT(table, HasSubstr("before"));
  EXPECT_THAT(table, HasSubstr("+20.0 %"));
  EXPECT_THAT(table, HasSubstr("not there before"));
  std::ofstream(path) << "[]";
  EXPECT_EQ(ReadFigures(path).status().code(), absl::StatusCode::kInvalidArgument);
  std::remove(path.c_str());
  EXPECT_EQ(ReadFigures(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ReadFigures("/dev/zero").status().message()), HasSubstr("is not a regular file"));
}

TEST(LoadPlotTest, ALateChunkIsRedAndNothingFallsOutsideThePicture) {
  const RgbImage image = DrawLoad({Outcome({0, 100, -90'000, 90'000})}, "a load");
  bool red = false;
  for (size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    red = red || (image.pixels[i] > 200 && image.pixels[i + 1] < 60 && image.pixels[i + 2] < 60);
  }
  EXPECT_TRUE(red);
  EXPECT_EQ(DrawLoad({}, "nothing").width, image.width);
}

}  // namespace
}  // namespace videodiffcr
