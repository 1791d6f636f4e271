#include <map>

#include "daemon/frontend/dockerfile/shell/lex.h"
#include "tests/golden/dockerfile/suites.h"

namespace bk::golden::dockerfile {

namespace df = bk::dockerfile;

namespace {

class EnvList final : public df::Variables {
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

}  // namespace

absl::Status RunShlex(const Json& c, const std::string&) {
  const Json& input = c["input"];
  df::LexOptions options;
  for (const auto& option : input.value("options", Json::array())) {
    if (option == "raw_quotes") options.raw_quotes = true;
    if (option == "raw_escapes") options.raw_escapes = true;
    if (option == "skip_quotes") options.skip_quotes = true;
    if (option == "skip_unset") options.skip_unset = true;
  }
  df::Expansion expansion;
  absl::Status status = df::Lex(input["escape"].get<std::string>()[0], options)
                            .Process(Bytes(input, "word"), EnvList(input.value("env", Json::array())), expansion);
  Json got = {{"matched", expansion.matched}, {"unmatched", expansion.unmatched}};
  if (status.ok()) {
    got["word"] = expansion.word;
    got["words"] = expansion.words;
  } else {
    got["word_error"] = got["words_error"] = Message(status);
  }
  return ExpectJson("expansion", got, c["expect"]);
}

}  // namespace bk::golden::dockerfile
