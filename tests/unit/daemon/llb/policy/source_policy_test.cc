#include "daemon/llb/policy/source_policy.h"

#include <doctest/doctest.h>

#include "daemon/llb/policy/pattern.h"

namespace bk::llb {
namespace {

namespace sp = moby::buildkit::v1::sourcepolicy;

sp::Rule Rule(sp::PolicyAction action, const std::string& identifier, sp::MatchType type = sp::WILDCARD) {
  sp::Rule rule;
  rule.set_action(action);
  rule.mutable_selector()->set_identifier(identifier);
  rule.mutable_selector()->set_match_type(type);
  return rule;
}

sp::Rule Convert(const std::string& from, const std::string& to, sp::MatchType type = sp::WILDCARD) {
  sp::Rule rule = Rule(sp::CONVERT, from, type);
  rule.mutable_updates()->set_identifier(to);
  return rule;
}

PolicyProto Policy(std::initializer_list<sp::Rule> rules) {
  PolicyProto out;
  for (const sp::Rule& rule : rules) *out.add_rules() = rule;
  return out;
}

// The identifier after the rules, or the error.
std::string Applied(const PolicyList& policies, const std::string& identifier) {
  pb::SourceOp source;
  source.set_identifier(identifier);
  absl::Status status = SourcePolicy(policies).Apply(source);
  return status.ok() ? source.identifier() : "error: " + Message(status);
}

const std::string kDenied = "error: source \"a\" denied by policy: source denied by policy";

}  // namespace

TEST_CASE("the last rule of a policy that matches wins, and one policy cannot allow what another denies") {
  sp::Rule allow = Rule(sp::ALLOW, "a"), deny = Rule(sp::DENY, "a");
  CHECK(Applied({Policy({allow, deny})}, "a") == kDenied);
  CHECK(Applied({Policy({deny, allow})}, "a") == "a");
  CHECK(Applied({Policy({deny}), Policy({allow})}, "a") == kDenied);
  CHECK(Applied({Policy({deny})}, "b") == "b");
  CHECK(Applied({}, "a") == "a");
}

TEST_CASE("wildcards match all of an identifier, expressions any part, exact selectors themselves") {
  CHECK(Applied({Policy({Rule(sp::DENY, "*")})}, "a") == kDenied);
  CHECK(Applied({Policy({Rule(sp::DENY, "b*")})}, "ab") == "ab");
  CHECK(Applied({Policy({Rule(sp::DENY, "*", sp::EXACT)})}, "a") == "a");
  CHECK(Applied({Policy({Rule(sp::DENY, "^[a-c]$", sp::REGEX)})}, "a") == kDenied);
  CHECK(Applied({Policy({Rule(sp::DENY, "x.z")})}, "xyz") == "xyz");
}

TEST_CASE("what a selector matched can be named in the replacement") {
  CHECK(Applied({Policy({Convert("docker-image://*:*", "docker-image://mirror/${1}:$2-slim")})}, "docker-image://go:1") ==
        "error: too many mutations on a single source: too many operations");
  CHECK(Applied({Policy({Convert("docker-image://docker.io/*:*", "docker-image://mirror/${1}:$2")})}, "docker-image://docker.io/go:1") == "docker-image://mirror/go:1");
  CHECK(Applied({Policy({Convert("^git://(?P<host>[^/]+)/", "https://${host}/", sp::REGEX)})}, "git://h/x/y") == "https://h/x/y");
  CHECK(Applied({Policy({Convert("a", "b", sp::EXACT), Rule(sp::DENY, "b")})}, "a") == "error: source \"b\" denied by policy: source denied by policy");
}

TEST_CASE("a rule that only sets attributes puts the text of its selector in the place of the identifier") {
  sp::Rule rule = Rule(sp::CONVERT, "http*");
  (*rule.mutable_updates()->mutable_attrs())["http.checksum"] = "sha256:1";
  pb::SourceOp source;
  source.set_identifier("https://x");
  REQUIRE(SourcePolicy({Policy({rule})}).Apply(source).ok());
  CHECK(source.identifier() == "http*");
  CHECK(source.attrs().at("http.checksum") == "sha256:1");
}

TEST_CASE("constraints compare attributes; one that is not there is empty") {
  auto with = [](const std::string& key, sp::AttrMatch condition, const std::string& value) {
    sp::Rule rule = Rule(sp::DENY, "a");
    auto* constraint = rule.mutable_selector()->add_constraints();
    constraint->set_key(key);
    constraint->set_condition(condition);
    constraint->set_value(value);
    pb::SourceOp source;
    source.set_identifier("a");
    (*source.mutable_attrs())["k"] = "value";
    return Message(SourcePolicy({Policy({rule})}).Apply(source));
  };
  std::string denied = kDenied.substr(7);
  CHECK(with("k", sp::EQUAL, "value") == denied);
  CHECK(with("k", sp::EQUAL, "other") == "");
  CHECK(with("other", sp::NOTEQUAL, "x") == denied);
  CHECK(with("k", sp::NOTEQUAL, "value") == "");
  CHECK(with("k", sp::MATCHES, "^v.*e$") == denied);
  CHECK(with("k", sp::MATCHES, "(") == "error matching source policy: invalid regex \"(\": error parsing regexp: missing closing ): `(`");
  CHECK(with("k", static_cast<sp::AttrMatch>(9), "") == "error matching source policy: unknown attr condition: 9");
}

TEST_CASE("rules that mean nothing are errors with names") {
  CHECK(Applied({Policy({Rule(sp::CONVERT, "a")})}, "a") == "error: error mutating source policy: missing destination for convert rule");
  CHECK(Applied({Policy({Rule(sp::DENY, "a**")})}, "ab") == "error: error matching source policy: failed to translate wildcard \"a**\" to regexp: invalid wildcard: \"**\"");
  CHECK(Applied({Policy({Rule(sp::DENY, "x", static_cast<sp::MatchType>(7))})}, "a") == "error: error matching source policy: unknown match type: 7");
  CHECK(Applied({Policy({Rule(static_cast<sp::PolicyAction>(5), "a")})}, "a") == "error: source policy: rule 5 a: unknown type \"a\"");
  PolicyProto no_selector;
  no_selector.add_rules();
  CHECK(Message(CheckPolicies({no_selector})) == "invalid nil selector in policy");
}

TEST_CASE("references in replacements have the rules of Go's regexp") {
  SourcePattern pattern = *SourcePattern::Regexp("(a)(b)?");
  CHECK(pattern.ReplaceAll("xaab", "<$1$2>") == "x<a><ab>");
  CHECK(pattern.ReplaceAll("a", "$1x|${1}x|$$1|$|${1|$01|$9") == "|ax|$1|$|${1||");
  CHECK(SourcePattern::Regexp("b*")->ReplaceAll("abc", "-") == "-a-c-");
  CHECK(SourcePattern::Wildcard("a*c*")->ReplaceAll("abcd", "$2$1") == "db");
  CHECK(SourcePattern::Wildcard("a*")->ReplaceAll("b", "$1") == "b");
}

}  // namespace bk::llb
