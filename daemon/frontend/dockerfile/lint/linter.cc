#include "daemon/frontend/dockerfile/lint/linter.h"

#include <algorithm>

#include "base/go_parse.h"
#include "base/split.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/parse/directive.h"

namespace bk::dockerfile {
namespace {

// "all", or the names of rules.
void TakeRules(std::string_view value, bool& all, std::set<std::string, std::less<>>& rules) {
  value = TrimSpace(value);
  all = all || value == "all";
  if (value == "all") return;
  rules.clear();
  for (std::string_view name : Split(value, ',')) rules.emplace(TrimSpace(name));
}

}  // namespace

absl::StatusOr<LintConfig> ParseLintConfig(std::string_view text) {
  LintConfig config;
  text = TrimSpace(text);
  if (text.empty()) return config;
  for (std::string_view part : Split(text, ';', 3)) {
    size_t equals = part.find('=');
    if (equals == std::string_view::npos) return InvalidArgument("invalid check option ", Quote(part));
    std::string_view key = TrimSpace(part.substr(0, equals)), value = part.substr(equals + 1);
    if (key == "skip") {
      TakeRules(value, config.skip_all, config.skip);
    } else if (key == "experimental") {
      TakeRules(value, config.experimental_all, config.experimental);
    } else if (key == "error") {
      auto error = ParseBool(TrimSpace(value));
      if (!error.ok()) return Annotate(error.status(), StrCat("failed to parse check option ", Quote(part)));
      config.error = *error;
    } else {
      return InvalidArgument("invalid check option ", Quote(key));
    }
  }
  return config;
}

std::string ShortText(const Finding& finding) {
  std::string out = StrCat(RowOf(finding.rule).name, ": ", finding.text);
  int line = finding.location.empty() ? 0 : finding.location[0].start.line;
  return line > 0 ? StrCat(out, " (line ", line, ")") : out;
}

Linter::Linter(LintConfig config, LintSink* sink) {
  if (sink == nullptr) return;
  config_ = std::make_shared<const LintConfig>(std::move(config));
  state_ = std::make_shared<State>(State{sink, {}, 0, 0});
}

Linter Linter::With(const std::vector<std::string>& comments) const {
  if (state_ == nullptr) return *this;
  for (const std::string& comment : comments) {
    auto directive = DirectiveReader(0, "").ReadLine(comment);
    if (!directive.ok() || !*directive || (*directive)->name != "check") continue;
    const std::string& value = (*directive)->value;
    auto more = ParseLintConfig(std::string_view(value).substr(0, value.find(' ')));
    if (!more.ok()) return *this;
    auto merged = std::make_shared<LintConfig>(*config_);
    merged->skip_all = merged->skip_all || more->skip_all;
    merged->experimental_all = merged->experimental_all || more->experimental_all;
    merged->skip.merge(more->skip);
    merged->experimental.merge(more->experimental);
    Linter out = *this;
    out.config_ = std::move(merged);
    return out;
  }
  return *this;
}

bool Linter::hears(LintRule rule) const {
  if (state_ == nullptr || state_->count >= kMaxFindings || state_->bytes >= kMaxBytes) return false;
  const LintRow& row = RowOf(rule);
  if (row.experimental) return config_->experimental_all || config_->experimental.contains(row.name);
  return !config_->skip_all && !config_->skip.contains(row.name);
}

void Linter::Report(LintRule rule, const Ranges& location, std::initializer_list<std::string_view> words) const {
  if (!hears(rule)) return;
  state_->count++;
  if (std::find(state_->found.begin(), state_->found.end(), rule) == state_->found.end()) state_->found.push_back(rule);
  Finding finding{rule, RowOf(rule).MessageOf(words), location};
  constexpr size_t kRangeBytes = 128;  // as JSON
  state_->bytes += finding.text.size() + kRangeBytes * location.size();
  state_->sink->Found(finding);
}

absl::Status Linter::Verdict() const {
  if (state_ == nullptr || !config_->error || state_->found.empty()) return absl::OkStatus();
  std::string names;
  for (LintRule rule : state_->found) names += StrCat(names.empty() ? "" : ", ", RowOf(rule).name);
  return InvalidArgument("lint violation found for rules: ", names);
}

}  // namespace bk::dockerfile
