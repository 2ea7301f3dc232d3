#include "media/contact_sheet.h"

#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "media/bitmap_font.h"
#include "media/png_file.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string TempPath(const std::string& name) { return ::testing::TempDir() + "/contact_sheet_test_" + name; }

// 33 frames of ffmpeg's moving test picture, 160x96 at 16 frames per second.
std::string MakeTestVideo() {
  const std::string path = TempPath("video.mp4");
  const std::string command =
      "ffmpeg -v error -y -f lavfi -i testsrc2=size=160x96:rate=16 -frames:v 33 -pix_fmt yuv420p " + path;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  return path;
}

TEST(SpreadFramesTest, TakesFirstAndLastAndWhatLiesEvenlyBetween) {
  EXPECT_THAT(SpreadFrames(101, 5), ElementsAre(0, 25, 50, 75, 100));
  EXPECT_THAT(SpreadFrames(3, 5), ElementsAre(0, 1, 2));
  EXPECT_THAT(SpreadFrames(9, 1), ElementsAre(0));
  EXPECT_THAT(SpreadFrames(0, 5), ElementsAre());
}

TEST(TileFramesTest, LaysFramesOutInRowsUnderTheCaptions) {
  const RgbColor red = {255, 0, 0};
  const std::vector<VideoFrame> frames(5, VideoFrame{RgbImage::Filled(100, 50, red), 1.25});
  const RgbImage bare = TileFrames(frames, {.columns = 3});
  const RgbImage captioned = TileFrames(frames, {.columns = 3, .captions = {"one", "two"}});
  EXPECT_EQ(bare.width, captioned.width);
  EXPECT_GT(captioned.height, bare.height);
  const auto count_red = [&](const RgbImage& image) {
    int count = 0;
    for (size_t i = 0; i < image.pixels.size(); i += 3) {
      count += image.pixels[i] == 255 && image.pixels[i + 1] == 0 ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(count_red(bare), 5 * 100 * 50);
  EXPECT_EQ(count_red(captioned), 5 * 100 * 50);
}

TEST(TileFramesTest, AFrameLargerThanTheFirstStaysInsideTheSheet) {
  std::vector<VideoFrame> frames(4, VideoFrame{RgbImage::Filled(40, 20, {255, 0, 0}), 0});
  const RgbImage even = TileFrames(frames, {.columns = 2});
  for (const auto& [width, height] : {std::pair{400, 20}, std::pair{40, 2000}, std::pair{400, 2000}}) {
    frames.back().image = RgbImage::Filled(width, height, {0, 255, 0});
    const RgbImage sheet = TileFrames(frames, {.columns = 2});  // the address sanitizer watches
    EXPECT_EQ(sheet.width, even.width);
    EXPECT_EQ(sheet.pixels.size(), even.pixels.size());
    EXPECT_TRUE(std::equal(sheet.pixels.begin(), sheet.pixels.begin() + sheet.pixels.size() / 4, even.pixels.begin()))
        << "what lies above the large frame is as it was";
  }
}

TEST(DrawTextTest, ClipsAtTheEdgesAndDrawsABoxForWhatItDoesNotKnow) {
  RgbImage image = RgbImage::Filled(8, 8, {0, 0, 0});
  DrawText("\xC3", 0, 0, 1, {9, 9, 9}, &image);
  EXPECT_EQ(*image.at(0, 0), 9);
  EXPECT_EQ(*image.at(1, 1), 0);
  DrawText("AAAAAAAAAA", -3, -2, 3, {9, 9, 9}, &image);  // must stay inside: the address sanitizer watches
}

TEST(GlyphTextTest, ShowsOneGlyphPerCharacterThatAReaderCounts) {
  const std::string box(1, kBoxGlyph);
  EXPECT_EQ(GlyphText("a red circle"), "a red circle");
  EXPECT_EQ(GlyphText("caf\u00E9 cafe\u0301"), "cafe cafe") << "accents go, however they are written";
  EXPECT_EQ(GlyphText("\u732B\u3068"), box + box) << "one box per character, not per byte";
  EXPECT_EQ(GlyphText("\U0001F469\u200D\U0001F680!"), box + box) << "an emoji of three code points";
  EXPECT_EQ(GlyphText("\uFB01\uFF21\u2019\u2013\u3000."), "fiA'- .");
  EXPECT_EQ(GlyphText("a\u200B\uFEFFb"), "ab");
  EXPECT_EQ(GlyphText("a\r\nb\x1B"), "a b" + box);
  EXPECT_EQ(GlyphText("\xC3\x28\xFFz\xE7\x8C"), box + "(" + box + "z" + box + box);
}

TEST(TileFramesTest, ACaptionOfAnyLanguageIsCutBetweenCharacters) {
  const std::vector<VideoFrame> frames(1, VideoFrame{RgbImage::Filled(200, 50, {255, 0, 0}), 0});
  const auto sheet = [&](std::string caption) {
    return TileFrames(frames, {.columns = 1, .captions = {caption}}).pixels;
  };
  std::string nine;
  for (int i = 0; i < 9; ++i) nine += "\u732B";
  EXPECT_EQ(sheet(nine), sheet("~~~~~~~~~")) << "nine boxes fit where 27 would not";
}

// Names that FFmpeg would take for something else.
TEST(VideoFramesTest, AnyNameOfAFileIsTheNameOfAFile) {
  const std::filesystem::path folder = TempPath("names");
  std::filesystem::create_directories(folder);
  const std::string video = MakeTestVideo();
  const std::filesystem::path back = std::filesystem::current_path();
  std::filesystem::current_path(folder);
  for (const std::string name : {"2026-11-27T10:30:00.mp4", "pipe:0", "http:x.mp4", "file:a.mp4", "concat:a|b.mp4", "-",
                                 "cache:data:,x.mp4", "a%03d.mp4", "subfile,,start,1,end,2,,:a.mp4", "x\ny:z.mp4"}) {
    std::filesystem::copy_file(video, name, std::filesystem::copy_options::overwrite_existing);
    const absl::StatusOr<int64_t> count = CountVideoFrames(name);
    EXPECT_TRUE(count.ok()) << count.status();
    EXPECT_EQ(count.value_or(0), 33) << name;
    EXPECT_TRUE(ReadVideoFrames(name, {0}, 80).ok()) << name;
  }
  std::filesystem::current_path(back);
}

// What a server sent may be anything: of FFmpeg's formats some open other files that they name.
TEST(VideoFramesTest, AListOfOtherFilesIsNoVideo) {
  const std::string list = TempPath("list.mp4");
  // By its name alone, beside the list: FFmpeg refuses paths of its own accord.
  std::ofstream(list) << "ffconcat version 1.0\nfile '" << std::filesystem::path(MakeTestVideo()).filename().string()
                      << "'\n";
  EXPECT_TRUE(absl::IsDataLoss(CountVideoFrames(list).status())) << CountVideoFrames(list).status();
}

TEST(VideoFramesTest, ReadsTheFramesAskedForWithTheirTimes) {
  const std::string path = MakeTestVideo();
  EXPECT_EQ(*CountVideoFrames(path), 33);
  const auto frames = ReadVideoFrames(path, {0, 16, 32, 40}, 80);
  ASSERT_TRUE(frames.ok()) << frames.status();
  ASSERT_EQ(frames->size(), 3);
  EXPECT_DOUBLE_EQ((*frames)[0].seconds, 0);
  EXPECT_DOUBLE_EQ((*frames)[1].seconds, 1);
  EXPECT_DOUBLE_EQ((*frames)[2].seconds, 2);
  EXPECT_EQ((*frames)[0].image.width, 80);
  EXPECT_EQ((*frames)[0].image.height, 48);
  EXPECT_NE((*frames)[0].image.pixels, (*frames)[2].image.pixels);
}

// What no encoder of ours writes, and a server may send: pictures of `sizes` one after the other in one stream.
std::string MakeVideoOfSizes(const std::vector<std::string>& sizes) {
  const std::string path = TempPath("sizes.mp4");
  std::string command = "(";
  for (const std::string& size : sizes) {
    command += "ffmpeg -v error -f lavfi -i color=size=" + size +
               ":rate=16 -frames:v 2 -pix_fmt yuv420p -preset ultrafast -f h264 - && ";
  }
  command += "true) | ffmpeg -v error -y -f h264 -i - -c copy " + path;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  return path;
}

TEST(VideoFramesTest, AVideoWhoseFramesChangeSizeIsRefusedWithBothSizes) {
  const std::string path = MakeVideoOfSizes({"160x96", "16x4096"});
  const auto frames = ReadVideoFrames(path, {0, 3}, 80);
  EXPECT_TRUE(absl::IsDataLoss(frames.status())) << frames.status();
  EXPECT_THAT(std::string(frames.status().message()),
              ::testing::AllOf(HasSubstr(path), HasSubstr("16x4096"), HasSubstr("160x96")));
  EXPECT_TRUE(ReadVideoFrames(path, {0, 1}, 80).ok()) << "as far as they have one size";
  EXPECT_TRUE(absl::IsDataLoss(WriteContactSheet(path, TempPath("sizes.png"), {})));
}

TEST(VideoFramesTest, AFrameThatWouldTakeAllMemoryIsRefusedByItsSize) {
  for (const std::string size : {"8192x4112", "16x8208"}) {
    const auto frames = ReadVideoFrames(MakeVideoOfSizes({size}), {0}, 80);
    EXPECT_TRUE(absl::IsDataLoss(frames.status())) << frames.status();
    EXPECT_THAT(std::string(frames.status().message()), HasSubstr(size));
  }
  EXPECT_TRUE(ReadVideoFrames(MakeVideoOfSizes({"16x8192"}), {0}, 80).ok());
}

TEST(VideoFramesTest, AFileThatIsNoVideoIsAnErrorThatNamesIt) {
  const std::string path = TempPath("no_video.mp4");
  std::ofstream(path) << "this is text";
  EXPECT_TRUE(absl::IsDataLoss(CountVideoFrames(path).status()));
  EXPECT_THAT(std::string(CountVideoFrames(path).status().message()), HasSubstr(path));
  EXPECT_TRUE(absl::IsNotFound(CountVideoFrames(TempPath("missing.mp4")).status()));
  EXPECT_TRUE(absl::IsDataLoss(CountVideoFrames(::testing::TempDir()).status())) << "a folder";
}

TEST(ContactSheetTest, IsAPngThatFfprobeReads) {
  const std::string png = TempPath("sheet.png");
  const absl::Status status = WriteContactSheet(MakeTestVideo(), png, {.captions = {"0.00 s: a test picture"}});
  ASSERT_TRUE(status.ok()) << status;
  const std::string command = "ffprobe -v error -show_entries stream=codec_name -of csv=p=0 " + png + " | grep -qx png";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST(PngFileTest, HoldsThePixelsOfTheImage) {
  RgbImage image = RgbImage::Filled(5, 3, {10, 20, 30});
  for (int y = 0; y < 3; ++y) {
    for (int x = 0; x < 5; ++x) image.at(x, y)[0] = static_cast<uint8_t>(50 * y + x);
  }
  const std::string png = TempPath("pixels.png");
  ASSERT_TRUE(WritePng(image, png).ok());
  const std::string raw = TempPath("pixels.rgb");
  ASSERT_EQ(std::system(("ffmpeg -v error -y -i " + png + " -f rawvideo -pix_fmt rgb24 " + raw).c_str()), 0);
  std::ifstream file(raw, std::ios::binary);
  const std::vector<uint8_t> pixels((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_EQ(pixels, image.pixels);
}

TEST(ContactSheetTest, AVideoThatCannotBeReadIsAnErrorThatNamesIt) {
  const absl::Status status = WriteContactSheet(TempPath("missing.mp4"), TempPath("missing.png"), {});
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("missing.mp4"));
}

TEST(TileFramesTest, ALongCaptionIsCutToTheSheet) {
  const std::vector<VideoFrame> frames(1, VideoFrame{RgbImage::Filled(100, 50, {255, 0, 0}), 0});
  const RgbImage cut = TileFrames(frames, {.columns = 1, .captions = {std::string(15, 'W') + std::string(200, '!')}});
  const RgbImage other = TileFrames(frames, {.columns = 1, .captions = {std::string(15, 'W') + std::string(200, '?')}});
  EXPECT_EQ(cut.pixels, other.pixels) << "what was cut is not drawn";
  const RgbImage whole = TileFrames(frames, {.columns = 1, .captions = {"WWW!"}});
  EXPECT_NE(cut.pixels, whole.pixels);
}

TEST(ContactSheetTest, APngThatCannotBeWrittenIsAnErrorThatNamesIt) {
  const absl::Status status = WritePng(RgbImage::Filled(4, 4, {}), "/nowhere/sheet.png");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot write /nowhere/sheet.png"));
}

TEST(ContactSheetTest, HalfAPngIsNotLeftBehind) {
  struct rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit limited = before;
  limited.rlim_cur = 100;
  const auto old_action = signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
  const std::string png = TempPath("half.png");
  const absl::Status status = WritePng(RgbImage::Filled(300, 300, {1, 2, 3}), png);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, old_action);
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(std::filesystem::exists(png));
}

}  // namespace
}  // namespace videodiffcr
