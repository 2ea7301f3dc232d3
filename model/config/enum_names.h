// What the values of an enum are called in files.
#ifndef VIDEODIFFCR_MODEL_CONFIG_ENUM_NAMES_H_
#define VIDEODIFFCR_MODEL_CONFIG_ENUM_NAMES_H_

#include <utility>
#include <vector>

namespace videodiffcr {

template <typename Enum>
using EnumNames = std::vector<std::pair<Enum, const char*>>;

// "" for a value that has no name.
template <typename Enum>
const char* NameOf(const EnumNames<Enum>& names, Enum value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return "";
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_ENUM_NAMES_H_
