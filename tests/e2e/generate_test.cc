// `videodiffcr generate` and `info` against the real server with the real tiny model.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "client/video_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/e2e/server_process.h"
#include "tests/process/process.h"
#include "tests/system/read_file.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

constexpr char kPrompt[] = "a red circle moves right on a navy checkered background";
constexpr char kOtherPrompt[] = "a large green star stays still on a cream plain background";

class GenerateTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new ServerProcess(); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }

  static Finished RunGenerate(const std::vector<std::string>& flags) { return RunProgram(Generate(*server_, flags)); }

  static std::unique_ptr<VideoClient> Connect() { return *VideoClient::Connect(server_->address(), absl::Seconds(20)); }

  static int ActiveSessions() { return Connect()->GetServerInfo()->active_sessions(); }

  static ServerProcess* server_;
};

ServerProcess* GenerateTest::server_ = nullptr;

TEST_F(GenerateTest, WritesAVideoThatFfprobeReadsAsToldAndAContactSheet) {
  const std::string video = TempPath("whole.mp4");
  const std::string sheet = TempPath("whole.png");
  const Finished run =
      RunGenerate({"--prompt", kPrompt, "--chunks", "4", "--seed", "5", "--output", video, "--contact-sheet", sheet});
  ASSERT_EQ(run.status, 0) << run.output;
  const JudgedVideo judged = ProbeFile(video);
  EXPECT_EQ(judged.codec, "h264");
  EXPECT_EQ(judged.frame_rate, "16/1");
  ASSERT_EQ(judged.frames.size(), 45) << "9 frames, then 12 in each of 3 chunks";
  EXPECT_EQ(judged.frames[44].time_seconds, 44 / 16.0);
  EXPECT_EQ(judged.frames[44].width, 160);
  EXPECT_EQ(judged.frames[44].height, 96);
  EXPECT_THAT(run.output, HasSubstr("4 chunks, 45 frames, 2.81 s of video, 160x96 at 16 fps, seed 5"));
  EXPECT_THAT(run.output, HasSubstr("time to first chunk"));
  EXPECT_THAT(run.output, HasSubstr("frames per second"));
  EXPECT_THAT(run.output, HasSubstr("nominal 1.000, executed 1.000"));
  const JudgedVideo picture = ProbeFile(sheet);
  EXPECT_EQ(picture.codec, "png");
  ASSERT_EQ(picture.frames.size(), 1);
  EXPECT_EQ(picture.frames[0].width, 6 * 160 + 7 * 8) << "six frames a row and the margins around them";
}

TEST_F(GenerateTest, AFirstFrameThatComesEarlyChangesWhenTheVideoIsSeenAndNothingThatIs) {
  const std::string whole = TempPath("one_piece.mp4"), early = TempPath("two_pieces.mp4"),
                    again = TempPath("again.mp4");
  const std::vector<std::string> flags = {"--prompt", kPrompt, "--chunks", "2", "--seed", "5"};
  const auto generate = [&](const std::string& path, const std::string& frames) {
    std::vector<std::string> all = flags;
    all.insert(all.end(), {"--first-fragment-frames", frames, "--output", path});
    const Finished run = RunGenerate(all);
    EXPECT_EQ(run.status, 0) << run.output;
    EXPECT_EQ(run.output.find("time to first frames") != std::string::npos, frames != "0") << run.output;
  };
  generate(whole, "0");
  generate(early, "1");
  generate(again, "1");
  EXPECT_EQ(ReadFile(early), ReadFile(again));
  const JudgedVideo judged = ProbeFile(early);
  ASSERT_EQ(judged.frames.size(), 21u);
  for (size_t i = 0; i < judged.frames.size(); ++i) {
    EXPECT_EQ(judged.frames[i].time_seconds, i / 16.0);
    EXPECT_EQ(judged.frames[i].keyframe, i == 0 || i == 9) << "frame " << i;
  }
  EXPECT_EQ(DecodeToRgb(ReadFile(early), "mp4"), DecodeToRgb(ReadFile(whole), "mp4"));
}

TEST_F(GenerateTest, TheSameSeedGivesTheSameBytesAloneAndAmongFourOthers) {
  const std::vector<std::string> flags = {"--prompt", kPrompt, "--chunks", "4", "--seed", "42", "--budget", "0.8"};
  const auto with_output = [&](std::vector<std::string> all, const std::string& path) {
    all.insert(all.end(), {"--output", path});
    return all;
  };
  const std::string alone = TempPath("alone.mp4");
  ASSERT_EQ(RunGenerate(with_output(flags, alone)).status, 0);
  std::vector<std::unique_ptr<Process>> others;
  for (int i = 0; i < 4; ++i) {
    others.push_back(std::make_unique<Process>(
        Generate(*server_, {"--prompt", kOtherPrompt, "--chunks", "6", "--seed", std::to_string(100 + i), "--budget",
                            i % 2 == 0 ? "1" : "0.7", "--output", TempPath("other" + std::to_string(i) + ".mp4")})));
    ASSERT_TRUE(others.back()->ReadUntil("seed")) << others.back()->output();  // it has been admitted
  }
  const std::string among = TempPath("among.mp4");
  ASSERT_EQ(RunGenerate(with_output(flags, among)).status, 0);
  for (const auto& other : others) {
    EXPECT_EQ(other->Wait(), 0) << other->output();
  }
  EXPECT_EQ(ReadFile(alone), ReadFile(among));
  const std::string another = TempPath("another.mp4");
  ASSERT_EQ(RunGenerate({"--prompt", kPrompt, "--chunks", "4", "--seed", "43", "--budget", "0.8", "--output", another})
                .status,
            0);
  EXPECT_NE(ReadFile(alone), ReadFile(another)) << "another seed";
}

TEST_F(GenerateTest, ASwitchedPromptTakesEffectAtExactlyItsChunk) {
  const std::string plain = TempPath("plain.rgb");
  const std::string switched = TempPath("switched.rgb");
  ASSERT_EQ(RunGenerate({"--prompt", kPrompt, "--chunks", "4", "--seed", "6", "--output", plain}).status, 0);
  const Finished run = RunGenerate({"--prompt", kPrompt, "--chunks", "4", "--seed", "6", "--output", switched,
                                    "--switch", std::string("2:") + kOtherPrompt});
  ASSERT_EQ(run.status, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("the change for chunk 2 takes effect at chunk 2"));
  const std::string before = ReadFile(plain);
  const std::string after = ReadFile(switched);
  const size_t frame_bytes = 160 * 96 * 3;
  ASSERT_EQ(before.size(), 45 * frame_bytes);
  ASSERT_EQ(after.size(), 45 * frame_bytes);
  const size_t boundary = (9 + 12) * frame_bytes;
  EXPECT_EQ(before.substr(0, boundary), after.substr(0, boundary));
  EXPECT_NE(before.substr(boundary), after.substr(boundary));
}

TEST_F(GenerateTest, ASwitchedBudgetChangesNominalAndExecutedRetentionFromItsChunkOn) {
  const std::unique_ptr<VideoClient> client = Connect();
  v1::SessionConfig config;
  config.set_prompt(kPrompt);
  config.set_length_chunks(4);
  config.set_initial_chunk_credits(2);
  const std::unique_ptr<VideoCall> call = client->StreamVideo(config);
  std::vector<double> executed;
  while (const std::optional<v1::StreamVideoResponse> event = call->Next()) {
    if (!event->has_chunk()) {
      continue;
    }
    EXPECT_EQ(event->chunk().retention().nominal(), event->chunk().sequence() < 2 ? 1.0 : 0.7);
    executed.push_back(event->chunk().retention().executed());
    if (event->chunk().sequence() == 1) {
      v1::StreamVideoRequest update;
      update.mutable_update()->set_retention_target(0.7);
      call->Send(update);
      v1::StreamVideoRequest credit;
      credit.mutable_credit()->set_chunks(2);
      call->Send(credit);
    }
  }
  EXPECT_TRUE(call->Finish().ok()) << call->Finish();
  ASSERT_EQ(executed.size(), 4);
  EXPECT_EQ(executed[1], 1.0);
  EXPECT_LT(executed[2], 0.95);
  EXPECT_EQ(executed[3], executed[2]);
}

TEST_F(GenerateTest, CtrlCLeavesAPlayableFileAndNoSessionOnTheServer) {
  const std::string video = TempPath("interrupted.mp4");
  Process client(Generate(*server_, {"--prompt", kPrompt, "--chunks", "0", "--output", video}));
  ASSERT_TRUE(client.ReadUntil("chunk 1 ")) << client.output();
  client.Signal(SIGINT);
  EXPECT_EQ(client.Wait(), 130) << client.output();
  EXPECT_THAT(client.output(), HasSubstr("interrupted after"));
  const size_t frames = ProbeFile(video).frames.size();
  EXPECT_GE(frames, 9);
  EXPECT_EQ((frames - 9) % 12, 0) << "whole chunks";
  while (ActiveSessions() > 0) {  // ctest's time limit is the judge
  }
}

TEST_F(GenerateTest, RawFramesAndAnnexBComeOutByTheEndingOfTheFile) {
  const std::string stream = TempPath("stream.h264");
  ASSERT_EQ(RunGenerate({"--prompt", kPrompt, "--chunks", "2", "--output", stream}).status, 0);
  EXPECT_EQ(ProbeFile(stream).frames.size(), 21);
  const std::string frames = TempPath("frames.yuv");
  ASSERT_EQ(RunGenerate({"--prompt", kPrompt, "--chunks", "2", "--output", frames}).status, 0);
  EXPECT_EQ(ReadFile(frames).size(), 21 * 160 * 96 * 3 / 2);
}

TEST_F(GenerateTest, AValueTheServerRefusesIsNamedWithItsField) {
  const Finished run = RunGenerate({"--prompt", kPrompt, "--budget", "0.55", "--output", TempPath("refused.mp4")});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.output, HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(run.output, HasSubstr("retention.target"));
  EXPECT_THAT(run.output, HasSubstr("0.55"));
  EXPECT_FALSE(std::filesystem::exists(TempPath("refused.mp4")));
}

TEST_F(GenerateTest, AWrongFlagIsNamedBeforeAnyServerIsAsked) {
  const Finished run = RunProgram({BinaryPath("videodiffcr"), "generate", "--prompt", kPrompt, "--budget", "1.5"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.output, HasSubstr("--budget is '1.5'"));
}

TEST_F(GenerateTest, InfoTellsModelBudgetsVocabularyAndExamples) {
  const Finished run = RunProgram({BinaryPath("videodiffcr"), "info", "--server", server_->address()});
  EXPECT_EQ(run.status, 0) << run.output;
  for (const char* text : {"tiny", "160x96 at 16 frames per second", "nominal 1.00, executed 1.000", "nominal 0.70",
                           "H264 in FRAGMENTED_MP4", "circle", "prompts that work well"}) {
    EXPECT_THAT(run.output, HasSubstr(text));
  }
}

// The example of examples/python, through stubs that are made of the proto file here.
Finished RunPythonExample(const std::vector<std::string>& arguments) {
  const std::string stubs = TempPath("stubs");
  std::filesystem::create_directories(stubs);
  const Finished protoc =
      RunProgram({"sh", "-c",
                  "protoc -I '" + SourcePath("proto") + "' --python_out='" + stubs + "' --grpc_python_out='" + stubs +
                      "' --plugin=protoc-gen-grpc_python=$(command -v grpc_python_plugin) "
                      "videodiffcr/v1/video_generation.proto"});
  EXPECT_EQ(protoc.status, 0) << protoc.output;
  // Debian's gRPC for Python belongs to Debian's Python; another one may come first in PATH.
  std::vector<std::string> words = {"env", "PYTHONPATH=" + stubs, "/usr/bin/python3",
                                    SourcePath("examples/python/generate.py")};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return RunProgram(words);
}

TEST_F(GenerateTest, ThePythonExampleGetsAVideoThroughGeneratedStubsAlone) {
  const std::string video = TempPath("python.mp4");
  const Finished run = RunPythonExample({kPrompt, "--server", server_->address(), "--chunks", "2", "--output", video});
  EXPECT_EQ(run.status, 0) << run.output;
  EXPECT_EQ(ProbeFile(video).frames.size(), 21);
}

TEST_F(GenerateTest, ThePythonExampleKeepsAnOlderFileWhenItIsRefused) {
  const std::string video = TempPath("python_older.mp4");
  std::ofstream(video) << "older video";
  const Finished run = RunPythonExample({"\u3000", "--server", server_->address(), "--chunks", "2", "--output", video});
  EXPECT_EQ(run.status, 1) << run.output;
  EXPECT_THAT(run.output, HasSubstr("INVALID_ARGUMENT"));
  EXPECT_EQ(ReadFile(video), "older video");
}

TEST_F(GenerateTest, AnyNameIsTheNameOfAFileWhateverColonsItHolds) {
  const std::string folder = TempPath("names");
  std::filesystem::create_directories(folder);
  for (const std::string name : {"2026-11-27T10:30:00.mp4", "http:.mp4", "a:b%03d.mp4"}) {
    // In its folder, so that the name begins with what FFmpeg would take for a protocol.
    std::vector<std::string> words = {"sh", "-c", "cd '" + folder + "' && exec \"$0\" \"$@\""};
    const std::vector<std::string> client =
        Generate(*server_, {"--prompt", kPrompt, "--chunks", "1", "--output", name, "--contact-sheet", name + ".png"});
    words.insert(words.end(), client.begin(), client.end());
    const Finished run = RunProgram(words);
    EXPECT_EQ(run.status, 0) << run.output;
    EXPECT_TRUE(std::filesystem::exists(folder + "/" + name)) << name;
    EXPECT_TRUE(std::filesystem::exists(folder + "/" + name + ".png")) << name;
  }
}

TEST_F(GenerateTest, ALostStandardOutputIsAFailure) {
  const std::string client = "'" + BinaryPath("videodiffcr") + "'";
  const std::string& address = server_->address();
  for (const std::string& words : {client + " info --server " + address,
                                   client + " generate --chunks 1 --prompt a --output - --server " + address}) {
    for (const char* lost : {" >/dev/full", " >&-"}) {
      const Finished run = RunProgram({"sh", "-c", words + lost});
      EXPECT_EQ(run.status, 1) << words << lost << ": " << run.output;
    }
    const Finished run = RunProgram({"sh", "-c", words + " >'" + TempPath("kept") + "'"});
    EXPECT_EQ(run.status, 0) << words << ": " << run.output;
    EXPECT_GT(std::filesystem::file_size(TempPath("kept")), 100) << words;
  }
}

}  // namespace
}  // namespace videodiffcr
