#include "base/filter.h"

#include <re2/re2.h>

namespace bk {
namespace {

bool IsFieldByte(char c) { return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-'; }

absl::Status Syntax(const std::string& text, size_t at) { return InvalidArgument("parse error: [", text.substr(0, at), " >|", text.substr(at), "|< ]: invalid filter"); }

// A value: quoted with " or |, or up to the next comma.
absl::StatusOr<std::string> TakeValue(const std::string& text, size_t& at) {
  if (at < text.size() && (text[at] == '"' || text[at] == '|' || text[at] == '/')) {
    char quote = text[at++];
    std::string value;
    for (; at < text.size() && text[at] != quote; at++) {
      if (text[at] == '\\' && quote == '"' && at + 1 < text.size()) at++;
      value += text[at];
    }
    if (at == text.size()) return Syntax(text, at);
    at++;
    return value;
  }
  size_t end = std::min(text.find(',', at), text.size());
  std::string value = text.substr(at, end - at);
  at = end;
  if (value.empty()) return Syntax(text, at);
  return value;
}

}  // namespace

absl::StatusOr<Filter> Filter::Parse(const std::vector<std::string>& texts) {
  Filter filter;
  for (const std::string& text : texts) {
    std::vector<Term> terms;
    for (size_t at = 0; at < text.size();) {
      Term term;
      while (at < text.size() && IsFieldByte(text[at])) term.field += text[at++];
      if (term.field.empty()) return Syntax(text, at);
      for (const char* op : {"==", "!=", "~="}) {
        if (text.compare(at, 2, op) == 0) term.op = op;
      }
      if (!term.op.empty()) {
        at += 2;
        BK_ASSIGN(term.value, TakeValue(text, at));
      }
      terms.push_back(std::move(term));
      if (at < text.size() && text[at++] != ',') return Syntax(text, at - 1);
    }
    filter.any_.push_back(std::move(terms));
  }
  return filter;
}

bool Filter::Matches(const FilterFields& fields) const {
  if (any_.empty()) return true;
  auto holds = [&](const Term& term) {
    std::optional<std::string> value = fields(term.field);
    if (term.op.empty()) return value.has_value();
    if (term.op == "==") return value == term.value;
    if (term.op == "!=") return value != term.value;
    RE2 pattern(term.value, RE2::Quiet);
    return value && pattern.ok() && RE2::PartialMatch(*value, pattern);
  };
  for (const auto& all : any_) {
    bool matched = true;
    for (const Term& term : all) matched = matched && holds(term);
    if (matched) return true;
  }
  return false;
}

FilterFields UsageFields(std::string id, std::string description, std::string type, std::vector<std::string> parents, bool is_mutable, bool in_use, bool shared) {
  return [=](const std::string& path) -> std::optional<std::string> {
    std::string field = path.substr(0, path.find('.'));
    auto present = [](bool on) { return on ? std::optional<std::string>("") : std::nullopt; };
    if (field == "id") return id;
    if (field == "description") return description;
    if (field == "type") return type;
    if (field == "parents") {
      std::string joined;
      for (const std::string& parent : parents) joined += (joined.empty() ? "" : ";") + parent;
      return joined;
    }
    if (field == "mutable") return present(is_mutable);
    if (field == "inuse") return present(in_use);
    if (field == "shared") return present(shared);
    if (field == "private") return present(!shared);
    return std::nullopt;
  };
}

}  // namespace bk
