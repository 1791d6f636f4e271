// Patterns of source policies: regular expressions and wildcards ("docker-image://docker.io/*"), and texts with references
// to what they matched ("${1}", "$name", "$$"), with the rules of Go's regexp.
//
// Values; thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace re2 {
class RE2;
}

namespace bk::llb {

class SourcePattern {
 public:
  // Unknown with the texts of Go's regexp ("error parsing regexp: missing closing ): `(a`").
  static absl::StatusOr<SourcePattern> Regexp(const std::string& text);
  // Unknown for "**".
  static absl::StatusOr<SourcePattern> Wildcard(std::string_view text);

  // Whether it matches somewhere in `text` (a wildcard: all of it).
  bool Matches(std::string_view text) const;
  // `text` with each match replaced by `format`.
  std::string ReplaceAll(std::string_view text, std::string_view format) const;

 private:
  explicit SourcePattern(std::shared_ptr<const re2::RE2> regexp) : regexp_(std::move(regexp)) {}
  std::shared_ptr<const re2::RE2> regexp_;
};

}  // namespace bk::llb
