#include "training/prompts/prompt_file.h"

#include <algorithm>
#include <array>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <streambuf>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "system/bounded_json.h"
#include "system/regular_file.h"
#include "system/wrong_usage.h"
#include "training/prompts/csv_record.h"

namespace videodiffcr::training {
namespace {

constexpr int kMaxJsonDepth = 32;

// The parser's own words, with a column and the bytes around it, say nothing to who has a million lines.
std::string WhyNotJson(const absl::Status& status) {
  return absl::StartsWith(status.message(), "not valid JSON") ? "not JSON" : std::string(status.message());
}

// The bytes of a file, block by block: it may be longer than the memory. Waits for nothing, as the file does.
class FileBuffer : public std::streambuf {
 public:
  FileBuffer(const RegularFile& file, const std::string& path, int64_t most_bytes)
      : file_(file), path_(path), most_bytes_(most_bytes) {}
  // Why reading ended before the file did; OK when it did not.
  const absl::Status& status() const { return status_; }

 protected:
  int underflow() override {
    const absl::StatusOr<size_t> got = file_.ReadAt(next_, block_.data(), block_.size());
    if (!got.ok()) status_ = got.status();
    if (!got.ok() || *got == 0) return std::char_traits<char>::eof();
    if (next_ >= most_bytes_) {
      status_ = absl::InvalidArgumentError(absl::StrCat(
          path_, ": its first ", next_, " bytes hold too few prompts, and there are more; no more are read"));
      return std::char_traits<char>::eof();
    }
    next_ += static_cast<int64_t>(*got);
    setg(block_.data(), block_.data(), block_.data() + *got);
    return std::char_traits<char>::to_int_type(block_[0]);
  }

 private:
  const RegularFile& file_;
  const std::string& path_;
  const int64_t most_bytes_;
  int64_t next_ = 0;
  std::array<char, 64 << 10> block_ = {};
  absl::Status status_;
};

// Lines of a stream with their numbers, of which some may be put back.
class Lines {
 public:
  explicit Lines(std::istream& file) : file_(file) {}

  struct Line {
    int64_t number = 0;
    std::string text;  // cut at kMostPromptLineBytes
    bool cut = false;
  };

  std::optional<Line> Next() {
    if (!again_.empty()) {
      Line line = std::move(again_.front());
      again_.pop_front();
      return line;
    }
    Line line;
    if (!ReadLine(&line)) return std::nullopt;
    line.number = ++count_;
    if (line.number == 1 && absl::StartsWith(line.text, "\xef\xbb\xbf")) line.text.erase(0, 3);
    return line;
  }

  // They come again, in this order.
  void PutBack(std::vector<Line> lines) {
    again_.insert(again_.begin(), std::make_move_iterator(lines.begin()), std::make_move_iterator(lines.end()));
  }

 private:
  // Without its end, which may be that of Windows. What is beyond the limit is read and dropped.
  bool ReadLine(Line* line) {
    std::streambuf* const bytes = file_.rdbuf();
    int byte = bytes->sbumpc();
    if (byte == std::char_traits<char>::eof()) return false;
    for (; byte != std::char_traits<char>::eof() && byte != '\n'; byte = bytes->sbumpc()) {
      if (line->text.size() < kMostPromptLineBytes) {
        line->text.push_back(static_cast<char>(byte));
      } else {
        line->cut = true;
      }
    }
    if (absl::EndsWith(line->text, "\r")) line->text.pop_back();
    return true;
  }

  std::istream& file_;
  std::deque<Line> again_;
  int64_t count_ = 0;
};

std::string TooLong() { return absl::StrCat("more than ", kMostPromptLineBytes, " bytes"); }

// What one record of a file says: a prompt, or why it has none. Neither: nothing to be said of it.
struct Record {
  int64_t line = 0;
  std::optional<std::string> prompt;
  std::string why;
};

class TextReader {
 public:
  explicit TextReader(Lines& lines) : lines_(lines) {}

  std::optional<Record> Next() {
    const std::optional<Lines::Line> line = lines_.Next();
    if (!line) return std::nullopt;
    if (line->cut) return Record{line->number, std::nullopt, TooLong()};
    const absl::string_view text = absl::StripAsciiWhitespace(line->text);
    if (text.empty() || text[0] == '#') return Record{line->number, std::nullopt, ""};
    return Record{line->number, std::string(text), ""};
  }

 private:
  Lines& lines_;
};

class JsonLinesReader {
 public:
  JsonLinesReader(Lines& lines, std::string column) : lines_(lines), column_(std::move(column)) {}

  std::optional<Record> Next() {
    const std::optional<Lines::Line> line = lines_.Next();
    if (!line) return std::nullopt;
    Record record = {line->number, std::nullopt, ""};
    if (line->cut) {
      record.why = TooLong();
      return record;
    }
    if (absl::StripAsciiWhitespace(line->text).empty()) return record;
    const absl::StatusOr<nlohmann::json> parsed = ParseBoundedJson(line->text, kMaxJsonDepth);
    if (!parsed.ok()) {
      record.why = WhyNotJson(parsed.status());
    } else if (!parsed->is_object()) {
      record.why = "not a JSON object";
    } else if (const auto value = parsed->find(column_); value == parsed->end()) {
      record.why = absl::StrCat("no \"", column_, "\"");
    } else if (!value->is_string()) {
      record.why = absl::StrCat("\"", column_, "\" is no text");
    } else {
      record.prompt = value->get<std::string>();
    }
    return record;
  }

 private:
  Lines& lines_;
  const std::string column_;
};

class CsvReader {
 public:
  explicit CsvReader(Lines& lines) : lines_(lines) {}

  // Reads the names of the columns.
  absl::Status Open(const PromptFileOptions& options) {
    const std::optional<CsvLines> header = NextRecord();
    if (!header) return WrongUsageError(absl::StrCat(options.path, ": is empty; the first line must name columns"));
    const std::vector<std::string>& names = header->record.fields;
    const auto found = std::find(names.begin(), names.end(), options.column);
    if (!header->why.empty() || found == names.end()) {
      return WrongUsageError(absl::StrCat(
          options.path, ": no column \"", options.column, "\"; ",
          header->why.empty()
              ? absl::StrCat("there are: ", absl::StrJoin(names, ", ").substr(0, 512), " (--prompt-column)")
              : absl::StrCat("line 1, which names the columns, is broken: ", header->why)));
    }
    columns_ = names.size();
    place_ = static_cast<size_t>(found - names.begin());
    return absl::OkStatus();
  }

  std::optional<Record> Next() {
    std::optional<CsvLines> read = NextRecord();
    if (!read) return std::nullopt;
    Record record = {read->line, std::nullopt, std::move(read->why)};
    std::vector<std::string>& fields = read->record.fields;
    if (!record.why.empty() || (fields.size() == 1 && fields[0].empty())) return record;  // broken, or an empty line
    if (fields.size() != columns_) {
      record.why = absl::StrCat(fields.size(), " fields where the first line has ", columns_);
    } else {
      record.prompt = std::move(fields[place_]);
    }
    return record;
  }

 private:
  struct CsvLines {
    int64_t line = 0;
    CsvRecord record;
    std::string why;
  };

  // A quote that never closes would take the rest of the file: then its first line alone is broken, and reading goes on
  // with the next one.
  std::optional<CsvLines> NextRecord() {
    std::vector<Lines::Line> taken;
    std::string text;
    while (true) {
      std::optional<Lines::Line> line = lines_.Next();
      if (!line && taken.empty()) return std::nullopt;
      const bool at_end = !line.has_value();
      const bool too_long = line && (line->cut || text.size() + line->text.size() > kMostPromptLineBytes);
      const bool goes_on =
          line && !taken.empty() && !absl::StrContains(line->text, '"');  // nothing that could close it
      if (line) {
        absl::StrAppend(&text, taken.empty() ? "" : "\n", line->text);
        taken.push_back(*std::move(line));
      }
      if (goes_on && !too_long) continue;
      CsvLines result = {taken.front().number, {}, ""};
      if (!too_long) {
        result.record = ParseCsvRecord(text);
        if (result.record.end == CsvEnd::kWhole) return result;
        if (result.record.end == CsvEnd::kOpenQuote && !at_end) continue;
      }
      result.why = too_long                                  ? TooLong()
                   : result.record.end == CsvEnd::kOpenQuote ? "a quote that is never closed"
                                                             : "text behind a closing quote";
      taken.erase(taken.begin());
      lines_.PutBack(std::move(taken));
      return result;
    }
  }

  Lines& lines_;
  size_t columns_ = 0, place_ = 0;
};

template <typename Reader>
PromptList Collect(Reader reader, const PromptFileOptions& options) {
  PromptList list;
  while (static_cast<int64_t>(list.prompts.size()) < options.most) {
    std::optional<Record> record = reader.Next();
    if (!record) break;
    if (record->prompt && options.check) {
      const absl::Status checked = options.check(*record->prompt);
      if (!checked.ok()) record->why = std::string(checked.message());
    }
    if (!record->why.empty()) {
      ++list.skipped;
      if (list.first_skipped.size() < kMostNamedLines) list.first_skipped.push_back({record->line, record->why});
    } else if (record->prompt) {
      list.prompts.push_back(*std::move(record->prompt));
    }
  }
  return list;
}

}  // namespace

PromptFormat PromptFormatOf(const std::string& path) {
  const std::string name = absl::AsciiStrToLower(path);
  if (absl::EndsWith(name, ".csv")) return PromptFormat::kCsv;
  for (const char* end : {".jsonl", ".ndjson", ".json"}) {
    if (absl::EndsWith(name, end)) return PromptFormat::kJsonLines;
  }
  return PromptFormat::kText;
}

std::string PromptList::Report(const std::string& path) const {
  if (skipped == 0) return "";
  std::string report = absl::StrCat(path, ": ", skipped, skipped == 1 ? " line" : " lines", " skipped\n");
  for (const SkippedLine& line : first_skipped) {
    absl::StrAppend(&report, path, ":", line.line, ": ", line.why, "\n");
  }
  if (skipped > static_cast<int64_t>(first_skipped.size())) absl::StrAppend(&report, "...\n");
  return report;
}

absl::StatusOr<PromptList> ReadPrompts(std::istream& file, PromptFormat format, const PromptFileOptions& options) {
  Lines lines(file);
  PromptList list;
  if (format == PromptFormat::kCsv) {
    CsvReader reader(lines);
    if (absl::Status opened = reader.Open(options); !opened.ok()) return opened;
    list = Collect(std::move(reader), options);
  } else if (format == PromptFormat::kJsonLines) {
    list = Collect(JsonLinesReader(lines, options.column), options);
  } else {
    list = Collect(TextReader(lines), options);
  }
  if (list.prompts.empty()) {
    return WrongUsageError(absl::StrCat(options.path, ": holds no prompt\n", list.Report(options.path)));
  }
  return list;
}

absl::StatusOr<PromptList> ReadPromptFile(const PromptFileOptions& options) {
  const absl::StatusOr<RegularFile> file = RegularFile::Open(options.path);
  if (!file.ok()) return file.status();
  FileBuffer bytes(*file, options.path, options.most_bytes);
  std::istream text(&bytes);
  absl::StatusOr<PromptList> list = ReadPrompts(text, PromptFormatOf(options.path), options);
  // Of a list that broke off half could be trained on, and nobody would know.
  if (!bytes.status().ok()) return bytes.status();
  return list;
}

}  // namespace videodiffcr::training
