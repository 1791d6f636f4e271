#include "daemon/llb/policy/source_policy.h"

#include <optional>

#include "daemon/llb/policy/pattern.h"

namespace bk::llb {
namespace {

namespace sp = moby::buildkit::v1::sourcepolicy;

constexpr int kMaxRounds = 21;  // a source that rules change forever

std::string AttrOf(const pb::SourceOp& source, const std::string& key) {
  auto found = source.attrs().find(key);
  return found == source.attrs().end() ? "" : found->second;
}

}  // namespace

class SourcePolicy::Rule {
 public:
  explicit Rule(const sp::Rule& rule) : rule_(rule) {
    const sp::Selector& selector = rule.selector();
    if (selector.match_type() == sp::REGEX) pattern_ = SourcePattern::Regexp(selector.identifier());
    if (selector.match_type() == sp::WILDCARD) pattern_ = SourcePattern::Wildcard(selector.identifier());
    for (const sp::AttrConstraint& constraint : selector.constraints()) {
      conditions_.push_back({constraint, std::nullopt});
      if (constraint.condition() == sp::MATCHES) conditions_.back().pattern = SourcePattern::Regexp(constraint.value());
    }
  }

  const sp::Rule& proto() const { return rule_; }

  absl::StatusOr<bool> Matches(const pb::SourceOp& source) const {
    for (const Condition& condition : conditions_) {
      BK_TRY(bool holds, Holds(condition, AttrOf(source, condition.proto.key())));
      if (!holds) return false;
    }
    const sp::Selector& selector = rule_.selector();
    if (selector.identifier() == source.identifier()) return true;
    switch (selector.match_type()) {
      case sp::EXACT: return false;
      case sp::REGEX:
      case sp::WILDCARD:
        BK_RETURN_IF_ERROR(pattern_.status());
        return pattern_->Matches(source.identifier());
      default: return Unknown("unknown match type: ", static_cast<int>(selector.match_type()));
    }
  }

  // `format` with what the selector matched in `identifier`.
  absl::StatusOr<std::string> Format(const std::string& identifier, const std::string& format) const {
    switch (rule_.selector().match_type()) {
      case sp::EXACT: return format;
      case sp::REGEX:
        BK_RETURN_IF_ERROR(pattern_.status());
        return pattern_->ReplaceAll(identifier, format);
      case sp::WILDCARD:
        BK_RETURN_IF_ERROR(pattern_.status());
        return pattern_->ReplaceAll(identifier, format);  // all of it or, without a match, nothing is replaced
      default: return Unknown("unknown match type: ", static_cast<int>(rule_.selector().match_type()));
    }
  }

  absl::StatusOr<bool> Convert(pb::SourceOp& source) const {
    if (!rule_.has_updates()) return Unknown("missing destination for convert rule");
    const sp::Update& updates = rule_.updates();
    auto made = Format(source.identifier(), updates.identifier().empty() ? rule_.selector().identifier() : updates.identifier());
    if (!made.ok()) return Annotate(made.status(), "error formatting destination");
    bool changed = false;
    if (!made->empty() && *made != source.identifier()) {
      source.set_identifier(*made);
      changed = true;
    }
    for (const auto& [key, value] : updates.attrs()) {
      if (AttrOf(source, key) == value) continue;
      (*source.mutable_attrs())[key] = value;
      changed = true;
    }
    return changed;
  }

 private:
  struct Condition {
    sp::AttrConstraint proto;
    std::optional<absl::StatusOr<SourcePattern>> pattern;
  };

  static absl::StatusOr<bool> Holds(const Condition& condition, const std::string& value) {
    switch (condition.proto.condition()) {
      case sp::EQUAL: return value == condition.proto.value();
      case sp::NOTEQUAL: return value != condition.proto.value();
      case sp::MATCHES:
        if (!condition.pattern->ok()) return Unknown("invalid regex ", Quote(condition.proto.value()), ": ", Message(condition.pattern->status()));
        return (*condition.pattern)->Matches(value);
      default: return Unknown("unknown attr condition: ", static_cast<int>(condition.proto.condition()));
    }
  }

  sp::Rule rule_;
  absl::StatusOr<SourcePattern> pattern_ = absl::UnknownError("no pattern");
  std::vector<Condition> conditions_;
};

absl::Status CheckPolicies(const PolicyList& policies) {
  for (const PolicyProto& policy : policies) {
    for (const sp::Rule& rule : policy.rules()) {
      if (!rule.has_selector()) return Unknown("invalid nil selector in policy");
    }
  }
  return absl::OkStatus();
}

SourcePolicy::SourcePolicy(const PolicyList& policies) {
  for (const PolicyProto& policy : policies) policies_.emplace_back(policy.rules().begin(), policy.rules().end());
}

SourcePolicy::~SourcePolicy() = default;

absl::Status SourcePolicy::ApplyOnce(const std::vector<Rule>& policy, pb::SourceOp& source, bool& changed) const {
  bool denied = false;
  for (const Rule& rule : policy) {
    auto matches = rule.Matches(source);
    if (!matches.ok()) return Annotate(matches.status(), "error matching source policy");
    if (!*matches) continue;
    switch (rule.proto().action()) {
      case sp::ALLOW: denied = false; break;
      case sp::DENY: denied = true; break;
      case sp::CONVERT: {
        auto converted = rule.Convert(source);
        if (!converted.ok()) return Annotate(converted.status(), "error mutating source policy");
        if (*converted) {
          changed = true;
          return absl::OkStatus();
        }
        break;
      }
      default:
        return Unknown("source policy: rule ", static_cast<int>(rule.proto().action()), " ", rule.proto().selector().identifier(), ": unknown type ", Quote(source.identifier()));
    }
  }
  if (denied) return Unknown("source ", Quote(source.identifier()), " denied by policy: source denied by policy");
  return absl::OkStatus();
}

absl::Status SourcePolicy::Apply(pb::SourceOp& source) const {
  for (int round = 0; round < kMaxRounds; round++) {
    bool changed = false;
    for (size_t i = 0; i < policies_.size() && !changed; i++) BK_RETURN_IF_ERROR(ApplyOnce(policies_[i], source, changed));
    if (!changed) return absl::OkStatus();
  }
  return Unknown("too many mutations on a single source: too many operations");
}

}  // namespace bk::llb
