// What a load came to: samples while it runs, figures when it is over.
#ifndef VIDEODIFFCR_CLIENT_LOAD_LOAD_RESULT_H_
#define VIDEODIFFCR_CLIENT_LOAD_LOAD_RESULT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace videodiffcr {

enum class ViewerEnd { kFinished, kRefused, kKilled, kFailed };

// One chunk as its viewer saw it.
struct ChunkSample {
  absl::Duration at;          // from the start of the load
  absl::Duration slack;       // deadline minus arrival; meaningful with playout
  absl::Duration since_last;  // from the chunk before, or from the start of the session
  absl::Duration overhead;    // of the server: neither queue nor model nor encoder
  bool has_deadline = false;
  bool first = false;
  double nominal = 1;
};

// One session.
struct ViewerOutcome {
  ViewerEnd end = ViewerEnd::kFinished;
  std::string error;     // of one that was refused or failed
  absl::Duration began;  // from the start of the load
  absl::Duration lasted;
  absl::Duration first_frames;  // from its start to its first frames: those of its first chunk, or some ahead of it
  std::vector<ChunkSample> chunks;
  double target = 1, floor = 1;
  int64_t resumes = 0;
  int64_t expected_chunks = 0;
  int64_t damaged = 0;   // gaps, doubled ones and checksums that the client found
  int64_t verified = 0;  // chunks that were held against an uninterrupted run
  int64_t changed = 0;   // of them, those whose bytes differ
};

// The share of chunks with a deadline that were in time; 1 without any.
double ContinuousPlayRatio(const ViewerOutcome& outcome);

// Figures by name, all of them there, whatever happened. cpr is that of all chunks together, least_cpr that of the
// session that has finished with the lowest, goodput the share of those that have finished with 0.99 or more; lost are
// the chunks that sessions which finished or failed should have had.
std::map<std::string, double> FiguresOf(const std::vector<ViewerOutcome>& outcomes);

// The figure that says of how much this one was measured: at 0 it says nothing. Empty: it is such a count itself.
std::string FigureBehind(const std::string& figure);

// Name, value and, with `before`, what it was there and by how much it has changed.
std::string FigureTable(const std::map<std::string, double>& figures, const std::map<std::string, double>* before);

// A JSON object of the figures, with `about` as strings beside them.
std::string FiguresToJson(const std::map<std::string, double>& figures,
                          const std::map<std::string, std::string>& about);

// Reads what FiguresToJson() wrote. InvalidArgument names the file.
absl::StatusOr<std::map<std::string, double>> ReadFigures(const std::string& path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_LOAD_LOAD_RESULT_H_
