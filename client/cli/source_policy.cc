#include "client/cli/source_policy.h"

#include <nlohmann/json.hpp>

#include "base/unicode.h"

namespace bk::client {
namespace {

namespace api = moby::buildkit::v1::sourcepolicy;
using Json = nlohmann::json;

// The value of a key, null if it is absent.
const Json* Find(const Json& object, std::string_view key) {
  const Json* found = nullptr;
  for (const auto& [name, value] : object.items()) {
    if (name == key) return value.is_null() ? nullptr : &value;
    if (EqualFold(name, key)) found = &value;
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

absl::Status Wrong(std::string_view field, std::string_view wanted) { return InvalidArgument("json: ", field, " is no ", wanted); }

template <typename Set>
absl::Status Text(const Json& object, std::string_view key, Set set) {
  const Json* value = Find(object, key);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_string()) return Wrong(key, "string");
  set(value->get<std::string>());
  return absl::OkStatus();
}

// A name of the enum or its number.
template <typename Enum, typename Set>
absl::Status Choice(const Json& object, std::string_view key, bool (*parse)(google::protobuf::ConstStringParam, Enum*), bool (*is_valid)(int), Set set) {
  const Json* value = Find(object, key);
  if (value == nullptr) return absl::OkStatus();
  Enum chosen{};
  if (value->is_string()) {
    if (!parse(value->get<std::string>(), &chosen)) return InvalidArgument("json: unknown ", key, " ", Quote(value->get<std::string>()));
  } else if (value->is_number_integer() && is_valid(value->get<int>())) {
    chosen = static_cast<Enum>(value->get<int>());
  } else {
    return Wrong(key, "name or number that is known");
  }
  set(chosen);
  return absl::OkStatus();
}

// Calls `read` with every object of a list.
template <typename Read>
absl::Status List(const Json& object, std::string_view key, Read read) {
  const Json* value = Find(object, key);
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_array()) return Wrong(key, "list");
  for (const Json& item : *value) {
    if (!item.is_object()) return Wrong(key, "list of objects");
    BK_RETURN_IF_ERROR(read(item));
  }
  return absl::OkStatus();
}

absl::Status ReadSelector(const Json& json, api::Selector& selector) {
  BK_RETURN_IF_ERROR(Text(json, "identifier", [&](const std::string& text) { selector.set_identifier(text); }));
  BK_RETURN_IF_ERROR(Choice<api::MatchType>(json, "match_type", &api::MatchType_Parse, &api::MatchType_IsValid, [&](api::MatchType type) { selector.set_match_type(type); }));
  return List(json, "constraints", [&](const Json& item) -> absl::Status {
    api::AttrConstraint& constraint = *selector.add_constraints();
    BK_RETURN_IF_ERROR(Text(item, "key", [&](const std::string& text) { constraint.set_key(text); }));
    BK_RETURN_IF_ERROR(Text(item, "value", [&](const std::string& text) { constraint.set_value(text); }));
    return Choice<api::AttrMatch>(item, "condition", &api::AttrMatch_Parse, &api::AttrMatch_IsValid, [&](api::AttrMatch match) { constraint.set_condition(match); });
  });
}

absl::Status ReadUpdate(const Json& json, api::Update& update) {
  BK_RETURN_IF_ERROR(Text(json, "identifier", [&](const std::string& text) { update.set_identifier(text); }));
  const Json* attrs = Find(json, "attrs");
  if (attrs == nullptr) return absl::OkStatus();
  if (!attrs->is_object()) return Wrong("attrs", "object");
  for (const auto& [key, value] : attrs->items()) {
    if (!value.is_string()) return Wrong("attrs", "object of strings");
    (*update.mutable_attrs())[key] = value.get<std::string>();
  }
  return absl::OkStatus();
}

absl::Status ReadRule(const Json& json, api::Rule& rule) {
  BK_RETURN_IF_ERROR(Choice<api::PolicyAction>(json, "action", &api::PolicyAction_Parse, &api::PolicyAction_IsValid, [&](api::PolicyAction action) { rule.set_action(action); }));
  if (const Json* selector = Find(json, "selector"); selector != nullptr) {
    if (!selector->is_object()) return Wrong("selector", "object");
    BK_RETURN_IF_ERROR(ReadSelector(*selector, *rule.mutable_selector()));
  }
  const Json* updates = Find(json, "updates");
  if (updates == nullptr) return absl::OkStatus();
  return updates->is_object() ? ReadUpdate(*updates, *rule.mutable_updates()) : Wrong("updates", "object");
}

}  // namespace

absl::StatusOr<api::Policy> ParseSourcePolicy(const std::string& text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return InvalidArgument("json: the text is no JSON");
  api::Policy policy;
  if (json.is_null()) return policy;
  if (!json.is_object()) return Wrong("policy", "object");
  if (const Json* version = Find(json, "version"); version != nullptr) {
    if (!version->is_number_integer()) return Wrong("version", "number");
    policy.set_version(version->get<int64_t>());
  }
  BK_RETURN_IF_ERROR(List(json, "rules", [&](const Json& item) { return ReadRule(item, *policy.add_rules()); }));
  return policy;
}

}  // namespace bk::client
