#include <doctest/doctest.h>

#include "daemon/frontend/dockerfile/lint/linter.h"

using namespace bk;
using namespace bk::dockerfile;

namespace {

class Texts final : public LintSink {
 public:
  void Found(const Finding& finding) override { texts.push_back(ShortText(finding)); }
  std::vector<std::string> texts;
};

std::string ErrorOf(std::string_view text) { return Message(ParseLintConfig(text).status()); }

LintConfig Config(std::string_view text) { return ParseLintConfig(text).value(); }

}  // namespace

TEST_CASE("settings of the checks: names of rules, all of them, blanks around them (DFE-026)") {
  LintConfig config = Config(" skip = A , B ; experimental=all; error = TRUE ");
  CHECK(config.skip == std::set<std::string, std::less<>>{"A", "B"});
  CHECK(config.experimental_all);
  CHECK(config.error);
  CHECK_FALSE(config.skip_all);
  CHECK(Config("skip=all").skip_all);
  CHECK(Config("skip=A;skip=B").skip == std::set<std::string, std::less<>>{"B"});  // the last one counts
  CHECK_FALSE(Config("").error);
}

TEST_CASE("settings that cannot be read are told with what is wrong (DFE-026)") {
  CHECK(ErrorOf("bogus") == "invalid check option \"bogus\"");
  CHECK(ErrorOf("bogus=1") == "invalid check option \"bogus\"");
  CHECK(ErrorOf("skip=A;") == "invalid check option \"\"");
  CHECK(ErrorOf("error=maybe") == "failed to parse check option \"error=maybe\": strconv.ParseBool: parsing \"maybe\": invalid syntax");
  CHECK(ErrorOf("skip=A;error=true;experimental=B;x=y") == "");  // three settings; what is behind them belongs to the third
}

TEST_CASE("a finding has the words of its rule, and its line (DFE-098)") {
  Texts sink;
  Linter lint({}, &sink);
  lint.Report(LintRule::kFromAsCasing, LineRanges(3, 4), {"FROM", "as"});
  lint.Report(LintRule::kWorkdirRelativePath, {}, {"a \"b\""});
  lint.Report(LintRule::kUndefinedVar, LineRanges(1, 1), {"X", ""});
  CHECK(sink.texts == std::vector<std::string>{"FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 3)",
                                               "WorkdirRelativePath: Relative workdir \"a \\\"b\\\"\" can have unexpected results if the base image changes",
                                               "UndefinedVar: Usage of undefined variable '$X' (line 1)"});
}

TEST_CASE("rules are skipped by name, experimental ones wait to be asked for (DFE-098)") {
  Texts sink;
  Linter lint(Config("skip=UndefinedVar"), &sink);
  CHECK_FALSE(lint.hears(LintRule::kUndefinedVar));
  CHECK(lint.hears(LintRule::kStageNameCasing));
  CHECK_FALSE(lint.hears(LintRule::kInvalidDefinitionDescription));
  CHECK(Linter(Config("skip=all;experimental=all"), &sink).hears(LintRule::kInvalidDefinitionDescription));
  CHECK_FALSE(Linter().hears(LintRule::kStageNameCasing));
}

TEST_CASE("a comment above an instruction changes the checks of that instruction alone (DFE-098)") {
  Texts sink;
  Linter lint(Config("skip=UndefinedVar"), &sink);
  Linter own = lint.With({"words", "check=skip=StageNameCasing;error=true and more"});
  CHECK_FALSE(own.hears(LintRule::kStageNameCasing));
  CHECK_FALSE(own.hears(LintRule::kUndefinedVar));
  CHECK(lint.hears(LintRule::kStageNameCasing));
  CHECK(lint.With({"check=nonsense"}).hears(LintRule::kStageNameCasing));
  own.Report(LintRule::kMaintainerDeprecated, {});
  CHECK(lint.Verdict().ok());  // error=true is the file's to say
}

TEST_CASE("error=true names every rule that found something, once (DFE-098)") {
  Texts sink;
  Linter lint(Config("error=true"), &sink);
  CHECK(lint.Verdict().ok());
  for (int i = 0; i < 2; i++) lint.Report(LintRule::kMaintainerDeprecated, {});
  lint.With({"check=skip=all"}).Report(LintRule::kUndefinedVar, {});
  lint.Report(LintRule::kStageNameCasing, {}, {"A"});
  CHECK(Message(lint.Verdict()) == "lint violation found for rules: MaintainerDeprecated, StageNameCasing");
}

TEST_CASE("a file that is all mistakes does not fill the memory") {
  Texts sink;
  Linter lint({}, &sink);
  for (size_t i = 0; i < 2 * Linter::kMaxFindings; i++) lint.Report(LintRule::kMaintainerDeprecated, {});
  CHECK(sink.texts.size() == Linter::kMaxFindings);
  Texts large;
  Linter other({}, &large);
  std::string name(Linter::kMaxBytes / 4, 'x');
  for (int i = 0; i < 100; i++) other.Report(LintRule::kStageNameCasing, {}, {name});
  CHECK(large.texts.size() == 4);
}
