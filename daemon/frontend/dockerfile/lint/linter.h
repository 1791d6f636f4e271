// Checks of Dockerfiles: which rules are on, and where findings go.
//
// Whoever knows something (parser, instruction, stage) reports it as a rule with its words; rules.h has the texts. What a
// strange file can make of it is bounded: kMaxFindings and kMaxBytes a Dockerfile. A Linter is cheap to copy; not thread-safe.
#pragma once

#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "daemon/frontend/dockerfile/lint/rules.h"
#include "daemon/frontend/dockerfile/parse/location.h"

namespace bk::dockerfile {

// `skip=RULE,…|all;experimental=RULE,…|all;error=BOOL`, in any order.
struct LintConfig {
  bool skip_all = false, experimental_all = false, error = false;
  std::set<std::string, std::less<>> skip, experimental;
};
// InvalidArgument with the reference's texts. Empty text is the default.
absl::StatusOr<LintConfig> ParseLintConfig(std::string_view text);

struct Finding {
  LintRule rule;
  std::string text;  // what is wrong
  Ranges location;   // empty: nowhere
};

// "NAME: text (line N)", as warnings show it.
std::string ShortText(const Finding& finding);

class LintSink {
 public:
  virtual ~LintSink() = default;
  virtual void Found(const Finding& finding) = 0;
};

class Linter {
 public:
  static constexpr size_t kMaxFindings = 4096;
  static constexpr size_t kMaxBytes = 4 << 20;  // of texts and places

  Linter() = default;  // finds nothing
  // `sink` outlives this and all copies; null: finds nothing.
  Linter(LintConfig config, LintSink* sink);

  // With what a `check=` line of `comments`, those right above an instruction, adds for that instruction.
  Linter With(const std::vector<std::string>& comments) const;
  // False: what is reported is not heard, so it need not be worked out.
  bool hears(LintRule rule) const;
  void Report(LintRule rule, const Ranges& location, std::initializer_list<std::string_view> words = {}) const;
  // The error of `error=true` if anything was found.
  absl::Status Verdict() const;

 private:
  struct State {
    LintSink* sink;
    std::vector<LintRule> found;  // once each
    size_t count = 0, bytes = 0;
  };
  std::shared_ptr<const LintConfig> config_;
  std::shared_ptr<State> state_;
};

}  // namespace bk::dockerfile
