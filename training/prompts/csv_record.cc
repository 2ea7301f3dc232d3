#include "training/prompts/csv_record.h"

#include <cstddef>

namespace videodiffcr::training {
namespace {

// From the character behind the opening quote to the one behind the closing quote; npos when there is none.
size_t ReadQuoted(std::string_view text, size_t at, std::string* field) {
  while (at < text.size()) {
    const size_t quote = text.find('"', at);
    if (quote == std::string_view::npos) return quote;
    field->append(text.substr(at, quote - at));
    if (quote + 1 >= text.size() || text[quote + 1] != '"') return quote + 1;
    field->push_back('"');
    at = quote + 2;
  }
  return std::string_view::npos;
}

}  // namespace

CsvRecord ParseCsvRecord(std::string_view text) {
  CsvRecord record;
  size_t at = 0;
  while (true) {
    std::string& field = record.fields.emplace_back();
    if (at < text.size() && text[at] == '"') {
      at = ReadQuoted(text, at + 1, &field);
      if (at == std::string_view::npos) return {{}, CsvEnd::kOpenQuote};
      if (at < text.size() && text[at] != ',') return {{}, CsvEnd::kBehindQuote};
    } else {
      const size_t comma = text.find(',', at);
      field = text.substr(at, comma == std::string_view::npos ? comma : comma - at);
      at = comma;
    }
    if (at >= text.size()) return record;  // npos, too
    ++at;
  }
}

}  // namespace videodiffcr::training
