// A variable of the environment, as it was before once this is gone.
#ifndef VIDEODIFFCR_TESTS_SYSTEM_TEMPORARY_VARIABLE_H_
#define VIDEODIFFCR_TESTS_SYSTEM_TEMPORARY_VARIABLE_H_

#include <stdlib.h>

#include <optional>
#include <string>
#include <utility>

namespace videodiffcr {

class TemporaryVariable {
 public:
  TemporaryVariable(std::string name, const std::string& value) : name_(std::move(name)) {
    if (const char* before = getenv(name_.c_str()); before != nullptr) before_ = before;
    setenv(name_.c_str(), value.c_str(), 1);
  }
  ~TemporaryVariable() {
    if (before_.has_value()) {
      setenv(name_.c_str(), before_->c_str(), 1);
    } else {
      unsetenv(name_.c_str());
    }
  }
  TemporaryVariable(const TemporaryVariable&) = delete;
  TemporaryVariable& operator=(const TemporaryVariable&) = delete;

 private:
  const std::string name_;
  std::optional<std::string> before_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SYSTEM_TEMPORARY_VARIABLE_H_
