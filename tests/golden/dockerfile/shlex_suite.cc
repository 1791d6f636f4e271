#include "daemon/frontend/dockerfile/shell/lex.h"
#include "tests/golden/dockerfile/env_list.h"
#include "tests/golden/dockerfile/suites.h"

namespace bk::golden::dockerfile {

namespace df = bk::dockerfile;

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
