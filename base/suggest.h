// "did you mean …?": the nearest of a few known words.
//
// Rule of the reference: Levenshtein distance below 3, no suggestion when the word itself is known. Thread-safe.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace bk {

// The first of the nearest `options`, "" if none is near. Not case-sensitive: an answer in the letter case of `word`.
std::string Suggest(std::string_view word, std::span<const std::string> options, bool case_sensitive);
// `status` with " (did you mean X?)" where there is one.
absl::Status WithSuggestion(absl::Status status, std::string_view word, std::span<const std::string> options, bool case_sensitive);
// Same code and details, another message.
absl::Status WithMessage(const absl::Status& status, std::string_view message);

}  // namespace bk
