#include "daemon/frontend/dockerfile/instruct/flags.h"

#include "base/suggest.h"
#include "base/unicode.h"

namespace bk::dockerfile {

absl::Status Flags::Parse() {
  for (const std::string& word : words_) {
    if (word == "--") return absl::OkStatus();
    if (!word.starts_with("--")) return InvalidArgument("arg should start with -- : ", word);
    size_t equals = word.find('=');
    std::string name = word.substr(0, equals), key = name.substr(2);
    bool has_value = equals != std::string::npos;
    std::string value = has_value ? word.substr(equals + 1) : "";
    auto found = flags_.find(key);
    if (found == flags_.end()) {
      std::vector<std::string> known;
      for (const auto& [flag, ignored] : flags_) known.push_back(flag);
      return WithSuggestion(InvalidArgument("unknown flag: ", name), key, known, true);
    }
    Flag& flag = found->second;
    if (flag.used && flag.kind != Kind::kList) return InvalidArgument("duplicate flag specified: ", name);
    flag.used = true;
    if (flag.kind == Kind::kBool) {
      if (has_value && value.empty()) return InvalidArgument("missing a value on flag: ", name);
      std::string lower = ToLower(value);
      if (lower != "true" && lower != "" && lower != "false") {
        return InvalidArgument("expecting boolean value for flag ", name, ", not: ", value);
      }
      value = lower == "false" ? "false" : "true";
    } else if (!has_value) {
      return InvalidArgument("missing a value on flag: ", name);
    }
    flag.values.push_back(std::move(value));
  }
  return absl::OkStatus();
}

std::optional<std::string> Flags::text(const std::string& name) const {
  const Flag& flag = flags_.at(name);
  if (!flag.used) return std::nullopt;
  return flag.values.back();
}

std::optional<bool> Flags::boolean(const std::string& name) const {
  auto value = text(name);
  if (!value) return std::nullopt;
  return *value == "true";
}

std::vector<std::string> Flags::used() const {
  std::vector<std::string> names;
  for (const auto& [name, flag] : flags_) {
    if (flag.used) names.push_back(name);
  }
  return names;
}

}  // namespace bk::dockerfile
