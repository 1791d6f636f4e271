#include "base/suggest.h"

#include <algorithm>
#include <vector>

#include "absl/strings/cord.h"
#include "base/unicode.h"

namespace bk {
namespace {

constexpr size_t kTooFar = 3;

// Exact below kTooFar, else kTooFar: only the band around the diagonal is looked at, since long words come from strangers.
size_t Distance(const std::vector<Rune>& a, const std::vector<Rune>& b) {
  std::vector<size_t> row(b.size() + 1, kTooFar);
  for (size_t j = 0; j < std::min(row.size(), kTooFar); j++) row[j] = j;
  for (size_t i = 0; i < a.size(); i++) {
    size_t first = i < kTooFar ? 0 : i - kTooFar, last = std::min(b.size(), i + kTooFar + 1);
    size_t diagonal = row[first];
    row[first] = first == 0 ? std::min(i + 1, kTooFar) : kTooFar;
    for (size_t j = first; j < last; j++) {
      size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1, kTooFar});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Suggest(std::string_view word, std::span<const std::string> options, bool case_sensitive) {
  std::string wanted = case_sensitive ? std::string(word) : ToLower(word);
  std::vector<Rune> wanted_runes = Runes(wanted);
  std::string match;
  size_t nearest = kTooFar;
  for (const std::string& given : options) {
    std::string option = case_sensitive ? given : ToLower(given);
    if (option == wanted) return "";
    std::vector<Rune> runes = Runes(option);
    size_t gap = std::max(runes.size(), wanted_runes.size()) - std::min(runes.size(), wanted_runes.size());
    if (gap >= nearest) continue;
    size_t distance = Distance(wanted_runes, runes);
    if (distance >= nearest) continue;
    nearest = distance;
    bool upper = !case_sensitive && word != wanted && word == ToUpper(word);
    match = upper ? ToUpper(option) : option;
  }
  return match;
}

absl::Status WithSuggestion(absl::Status status, std::string_view word, std::span<const std::string> options, bool case_sensitive) {
  std::string match = Suggest(word, options, case_sensitive);
  if (status.ok() || match.empty()) return status;
  return WithMessage(status, StrCat(Message(status), " (did you mean ", match, "?)"));
}

absl::Status WithMessage(const absl::Status& status, std::string_view message) {
  absl::Status result(status.code(), absl::string_view(message.data(), message.size()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& value) { result.SetPayload(url, value); });
  return result;
}

}  // namespace bk
