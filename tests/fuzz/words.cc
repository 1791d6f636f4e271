// Word expansion with all options: the first byte chooses them, then come a variable's value and the word.
#include "daemon/frontend/dockerfile/shell/lex.h"
#include "tests/fuzz/input.h"

namespace {

class OneVariable : public bk::dockerfile::Variables {
 public:
  explicit OneVariable(std::string value) : value_(std::move(value)) {}
  std::optional<std::string_view> Get(std::string_view name) const override {
    if (name == "v") return value_;
    if (name == "e") return "";
    return std::nullopt;
  }

 private:
  std::string value_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bk;
  if (size == 0) return 0;
  auto parts = fuzz::Parts(fuzz::Text(data + 1, size - 1), '\0', 2);
  dockerfile::LexOptions options{(data[0] & 1) != 0, (data[0] & 2) != 0, (data[0] & 4) != 0, (data[0] & 8) != 0};
  dockerfile::Lex lex((data[0] & 16) != 0 ? '`' : '\\', options);
  dockerfile::Expansion expansion;
  OneVariable variables(parts[0]);
  absl::Status status = lex.Process(parts.back(), variables, expansion);
  for (const std::string& name : expansion.matched) fuzz::Require(name == "v" || name == "e", "only what is set is matched", name);
  for (const std::string& name : expansion.unmatched) fuzz::Require(name != "v" && name != "e", "what is set is not unmatched", name);
  if (!status.ok()) return 0;
  auto word = lex.Word(parts.back(), variables);
  fuzz::Require(word.ok() && *word == expansion.word, "Word and Process agree", parts.back());
  return 0;
}
