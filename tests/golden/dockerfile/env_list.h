// Variables of a case: a list of NAME=value.
#pragma once

#include <map>

#include "daemon/frontend/dockerfile/shell/lex.h"
#include "tests/golden/support/runner.h"

namespace bk::golden::dockerfile {

class EnvList final : public bk::dockerfile::Variables {
 public:
  explicit EnvList(const Json& list) {
    for (const auto& item : list) {
      std::string text = item.get<std::string>();
      size_t equals = text.find('=');
      values_[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
    }
  }
  std::optional<std::string_view> Get(std::string_view name) const override {
    auto found = values_.find(std::string(name));
    if (found == values_.end()) return std::nullopt;
    return found->second;
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace bk::golden::dockerfile
