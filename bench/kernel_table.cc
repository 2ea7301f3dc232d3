#include "bench/kernel_table.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

// What is left of `name` before its first template or call argument, and where that is.
std::pair<std::string_view, size_t> Head(std::string_view name) {
  const size_t end = std::min(name.find_first_of("<(>,"), name.size());
  std::string_view head = name.substr(0, end);
  if (const size_t scope = head.rfind("::"); scope != std::string_view::npos) head.remove_prefix(scope + 2);
  if (head.starts_with("void ")) head.remove_prefix(5);
  if (head.ends_with(' ')) head.remove_suffix(1);
  return {head, end};
}

// Names that many kernels share.
bool SaysNothing(std::string_view head) {
  return head == "device_kernel" || head == "Kernel" || head == "Kernel2" || head.ends_with("elementwise_kernel") ||
         head == "reduce_kernel";
}

}  // namespace

std::string ShortKernelName(std::string_view name) {
  // As demanglers write it; its bracket would be taken for that of a call.
  constexpr std::string_view kUnnamed = "(anonymous namespace)::";
  std::string text(name);
  for (size_t at = text.find(kUnnamed); at != std::string::npos; at = text.find(kUnnamed)) {
    text.erase(at, kUnnamed.size());
  }
  const auto [head, end] = Head(text);
  if (!SaysNothing(head) || end >= text.size() || text[end] != '<') return std::string(head);
  std::string_view argument = std::string_view(text).substr(end + 1);
  // Elementwise kernels begin with numbers; the functor comes after them.
  while (!argument.empty() && (std::isdigit(static_cast<unsigned char>(argument[0])) || argument[0] == ' ' ||
                               argument[0] == ',' || argument[0] == '(')) {
    argument = argument[0] == '(' ? argument.substr(std::min(argument.find(')'), argument.size() - 1) + 1)
                                  : argument.substr(1);
  }
  return absl::StrCat(std::string(head), " (", std::string(Head(argument).first), ")");
}

KernelTimes SumKernels(std::vector<KernelSpan> spans) {
  KernelTimes times;
  if (spans.empty()) return times;
  std::sort(spans.begin(), spans.end(),
            [](const KernelSpan& a, const KernelSpan& b) { return a.start_ns < b.start_ns; });
  std::map<std::string, KernelSum> by_name;
  uint64_t covered_to = spans.front().start_ns;
  for (const KernelSpan& span : spans) {
    KernelSum& sum = by_name[ShortKernelName(span.name)];
    ++sum.calls;
    sum.total_ns += span.end_ns - span.start_ns;
    if (span.start_ns > covered_to) times.idle_ns += span.start_ns - covered_to;
    covered_to = std::max(covered_to, span.end_ns);
  }
  times.span_ns = covered_to - spans.front().start_ns;
  for (auto& [name, sum] : by_name) {
    sum.name = name;
    times.kernels.push_back(std::move(sum));
  }
  std::stable_sort(times.kernels.begin(), times.kernels.end(),
                   [](const KernelSum& a, const KernelSum& b) { return a.total_ns > b.total_ns; });
  return times;
}

}  // namespace videodiffcr
