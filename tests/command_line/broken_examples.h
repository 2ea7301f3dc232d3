// Whether what a help shows can be copied into a shell.
#ifndef VIDEODIFFCR_TESTS_COMMAND_LINE_BROKEN_EXAMPLES_H_
#define VIDEODIFFCR_TESTS_COMMAND_LINE_BROKEN_EXAMPLES_H_

#include <wordexp.h>

#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

namespace videodiffcr {

// Whether a shell makes `most` words of it at most, and no redirection, pipe or second command.
inline bool AShellReads(const std::string& example, size_t most) {
  wordexp_t words = {};
  const bool read = wordexp(example.c_str(), &words, WRDE_NOCMD) == 0;
  const bool fit = read && words.we_wordc <= most;
  if (read) wordfree(&words);
  return fit;
}

// The examples of a help that a shell would read otherwise than they are meant: a flag and its value are two words.
inline std::vector<std::string> BrokenExamples(const std::string& help) {
  const std::string whole = "\nExample:\n", one = "Example: ", indent = "      ";
  std::vector<std::string> broken;
  if (const size_t begin = help.find(whole); begin != std::string::npos) {
    const size_t from = begin + whole.size();
    const std::string example = help.substr(from, help.find("\n\n", from) - from);
    if (!AShellReads(example, 1000)) broken.push_back(example);
  }
  std::string paragraph;  // what stands below a flag, on one line
  std::istringstream lines(help + "\n\n");
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, indent.size(), indent) == 0) {
      paragraph += line.substr(indent.size() - 1);
      continue;
    }
    const size_t begin = paragraph.rfind(one);
    const std::string example = begin == std::string::npos ? "" : paragraph.substr(begin + one.size());
    if (!AShellReads(example, 2)) broken.push_back(example);
    paragraph.clear();
  }
  return broken;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_COMMAND_LINE_BROKEN_EXAMPLES_H_
