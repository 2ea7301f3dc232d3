// One record of a CSV file (RFC 4180).
#ifndef VIDEODIFFCR_TRAINING_PROMPTS_CSV_RECORD_H_
#define VIDEODIFFCR_TRAINING_PROMPTS_CSV_RECORD_H_

#include <string>
#include <string_view>
#include <vector>

namespace videodiffcr::training {

enum class CsvEnd {
  kWhole,
  kOpenQuote,    // a quoted field goes on: the next line belongs to it
  kBehindQuote,  // something else than a comma stands behind a closing quote
};

struct CsvRecord {
  std::vector<std::string> fields;  // of a whole one: at least one
  CsvEnd end = CsvEnd::kWhole;
};

// `text`: a line without its end, or several with their ends between them. A quote inside an unquoted field is text.
CsvRecord ParseCsvRecord(std::string_view text);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_PROMPTS_CSV_RECORD_H_
