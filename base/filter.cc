#include "base/filter.h"

#include <algorithm>

#include <re2/re2.h>

#include "base/filter_parse.h"

namespace bk {
namespace {

std::string Joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string joined;
  for (size_t n = 0; n < parts.size(); n++) joined += StrCat(n == 0 ? "" : between, parts[n]);
  return joined;
}

bool Holds(const Filter::Term& term, const FilterFields& fields) {
  std::optional<std::string> value = fields(term.field);
  if (term.op.empty()) return value.has_value();
  if (term.op == "==") return value == term.value;
  if (term.op == "!=") return value.value_or("") != term.value;
  return term.pattern->ok() && RE2::PartialMatch(value.value_or(""), *term.pattern);
}

}  // namespace

absl::StatusOr<Filter> Filter::Parse(const std::vector<std::string>& texts, std::string_view whose) {
  Filter filter;
  for (const std::string& text : texts) {
    std::vector<Term>& terms = filter.any_.emplace_back();
    if (text.empty()) continue;  // matches everything
    auto parsed = ParseFilterTerms(text);
    if (!parsed.ok()) {
      std::string subject = whose.empty() ? "" : StrCat("failed to parse ", whose, " filters [", Joined(texts, " "), "]: ");
      return InvalidArgument(subject, "filters: ", Message(parsed.status()), ": invalid argument");
    }
    terms = *std::move(parsed);
    for (Term& term : terms) {
      if (term.op == "~=") term.pattern = std::make_shared<const RE2>(term.value, RE2::Quiet);
    }
  }
  return filter;
}

bool Filter::Matches(const FilterFields& fields) const {
  if (any_.empty()) return true;
  return std::any_of(any_.begin(), any_.end(), [&](const std::vector<Term>& all) {
    return std::all_of(all.begin(), all.end(), [&](const Term& term) { return Holds(term, fields); });
  });
}

FilterFields UsageFields(std::string id, std::string description, std::string type, std::vector<std::string> parents, bool is_mutable, bool in_use, bool shared) {
  return [=](const FieldPath& path) -> std::optional<std::string> {
    const std::string& field = path[0];
    auto present = [](bool on) { return on ? std::optional<std::string>("") : std::nullopt; };
    auto text = [](const std::string& value) { return value.empty() ? std::nullopt : std::optional(value); };
    if (field == "id") return text(id);
    if (field == "description") return text(description);
    if (field == "type") return text(type);
    if (field == "parents") return text(Joined(parents, ";"));
    if (field == "mutable") return present(is_mutable);
    if (field == "immutable") return present(!is_mutable);
    if (field == "inuse") return present(in_use);
    if (field == "shared") return present(shared);
    if (field == "private") return present(!shared);
    return std::nullopt;
  };
}

FilterFields WorkerFields(std::string id, std::map<std::string, std::string> labels) {
  return [=](const FieldPath& path) -> std::optional<std::string> {
    if (path[0] == "id") return id.empty() ? std::nullopt : std::optional(id);
    if (path[0] != "labels" || path.size() < 2) return std::nullopt;
    auto label = labels.find(Joined({path.begin() + 1, path.end()}, "."));
    return label == labels.end() ? std::nullopt : std::optional(label->second);
  };
}

}  // namespace bk
