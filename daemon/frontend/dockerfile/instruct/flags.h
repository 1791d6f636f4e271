// The `--name=value` words of one instruction.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace bk::dockerfile {

class Flags {
 public:
  explicit Flags(std::vector<std::string> words) : words_(std::move(words)) {}
  Flags& Bool(std::string name) { return Define(std::move(name), Kind::kBool); }
  Flags& Text(std::string name) { return Define(std::move(name), Kind::kText); }
  Flags& List(std::string name) { return Define(std::move(name), Kind::kList); }

  // InvalidArgument for flags that are not defined, given twice or without a good value.
  absl::Status Parse();

  std::optional<std::string> text(const std::string& name) const;
  std::string text_or(const std::string& name, std::string fallback) const { return text(name).value_or(std::move(fallback)); }
  std::optional<bool> boolean(const std::string& name) const;
  const std::vector<std::string>& list(const std::string& name) const { return flags_.at(name).values; }
  std::vector<std::string> used() const;  // sorted

 private:
  enum class Kind { kBool, kText, kList };
  struct Flag {
    Kind kind;
    bool used = false;
    std::vector<std::string> values;
  };
  Flags& Define(std::string name, Kind kind) {
    flags_[std::move(name)] = Flag{kind};
    return *this;
  }
  std::vector<std::string> words_;
  std::map<std::string, Flag> flags_;
};

}  // namespace bk::dockerfile
