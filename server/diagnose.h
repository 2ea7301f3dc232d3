// What to send with a bug report: `videodiffcr-server --diagnose`.
#ifndef VIDEODIFFCR_SERVER_DIAGNOSE_H_
#define VIDEODIFFCR_SERVER_DIAGNOSE_H_

#include <string>
#include <string_view>
#include <vector>

#include "server/server_flags.h"

namespace videodiffcr {

// One text: build, libraries, system, processor, memory, the system's limits and the server's own, GPU and its driver,
// flags, the model's files and their fingerprint. Reads no key, no token and no prompt, and starts nothing. What cannot
// be found out is said to be so. `arguments` are those that `line` was read from.
std::string Diagnose(const CommandLine& line, const std::vector<std::string_view>& arguments);

// A hash of the names and sizes of the files that a model is loaded from, of all that is in the small ones, and of
// headers and samples of its weights: two models that differ in shape, tokenizer, tables or training differ in it.
// Not all values of weights are read, since there may be gigabytes of them. Empty when there is no such folder.
std::string ModelFingerprint(const std::string& folder);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_DIAGNOSE_H_
