#include "tests/server/media/video_judge.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

std::string OutputOf(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) {
    ADD_FAILURE() << "cannot run " << command;
    return "";
  }
  std::string output;
  std::array<char, 65536> buffer;
  for (size_t got; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) output.append(buffer.data(), got);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return output;
}

double NumberOf(const nlohmann::json& object, const char* key) {
  if (!object.contains(key)) return 0;
  const nlohmann::json& value = object[key];
  return value.is_string() ? std::atof(value.get<std::string>().c_str()) : value.get<double>();
}

}  // namespace

JudgedVideo ProbeVideo(const std::string& file_bytes, const std::string& extension) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("video." + extension, file_bytes);
  // Errors of the decoder go into the output, where they spoil the JSON and so fail the test.
  const std::string output =
      OutputOf("ffprobe -v error -select_streams v -show_streams -show_frames -of json " + file + " 2>&1");
  const nlohmann::json json = nlohmann::json::parse(output, nullptr, /*allow_exceptions=*/false);
  JudgedVideo video;
  if (json.is_discarded() || !json.contains("streams") || json["streams"].size() != 1) {
    ADD_FAILURE() << "ffprobe said: " << output.substr(0, 1000);
    return video;
  }
  const nlohmann::json& stream = json["streams"][0];
  video.codec = stream.value("codec_name", "");
  video.pixel_format = stream.value("pix_fmt", "");
  video.color_space = stream.value("color_space", "");
  video.color_range = stream.value("color_range", "");
  video.frame_rate = stream.value("r_frame_rate", "");
  video.level = stream.value("level", 0);
  for (const nlohmann::json& frame : json["frames"]) {
    video.frames.push_back({.keyframe = NumberOf(frame, "key_frame") == 1,
                            .picture_type = frame.value("pict_type", ""),
                            .time_seconds = NumberOf(frame, "pts_time"),
                            .width = static_cast<int>(NumberOf(frame, "width")),
                            .height = static_cast<int>(NumberOf(frame, "height")),
                            .bytes = static_cast<int64_t>(NumberOf(frame, "pkt_size"))});
  }
  return video;
}

std::string DecodeToRgb(const std::string& file_bytes, const std::string& extension) {
  const TemporaryFolder folder;
  const std::string file = folder.Write("video." + extension, file_bytes);
  return OutputOf("ffmpeg -v error -i " + file + " -f rawvideo -pix_fmt rgb24 -");
}

FrameChunk MovingPattern(int width, int height, int frame_count, int64_t first_frame, PixelFormat format) {
  FrameChunk chunk;
  chunk.format = format;
  chunk.width = width;
  chunk.height = height;
  chunk.frame_count = frame_count;
  for (int64_t frame = first_frame; frame < first_frame + frame_count; ++frame) {
    if (format == PixelFormat::kRgb24) {
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          chunk.pixels.push_back(static_cast<uint8_t>(128 + x - frame * 3));
          chunk.pixels.push_back(static_cast<uint8_t>(60 + y * 2));
          chunk.pixels.push_back(static_cast<uint8_t>(frame * 5));
        }
      }
    } else {
      for (int i = 0; i < width * height; ++i) chunk.pixels.push_back(static_cast<uint8_t>(40 + (i % width) + frame));
      for (int i = 0; i < width * height / 2; ++i) chunk.pixels.push_back(static_cast<uint8_t>(100 + frame));
    }
  }
  return chunk;
}

}  // namespace videodiffcr
