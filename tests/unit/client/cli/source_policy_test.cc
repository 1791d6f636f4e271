#include <doctest/doctest.h>

#include "client/cli/source_policy.h"

using namespace bk::client;
namespace api = moby::buildkit::v1::sourcepolicy;

TEST_CASE("a source policy: rules with their selectors and updates") {
  auto policy = ParseSourcePolicy(R"({"version":1,"rules":[
    {"action":"DENY","selector":{"identifier":"docker-image://*","match_type":"REGEX","constraints":[{"key":"k","value":"v","condition":"NOTEQUAL"}]}},
    {"Action":2,"selector":{"identifier":"a"},"updates":{"identifier":"b","attrs":{"x":"y"}},"unknown":[]},
    {}]})");
  REQUIRE_MESSAGE(policy.ok(), bk::Message(policy.status()));
  CHECK(policy->version() == 1);
  REQUIRE(policy->rules_size() == 3);
  const api::Selector& selector = policy->rules(0).selector();
  CHECK(policy->rules(0).action() == api::DENY);
  CHECK(selector.match_type() == api::REGEX);
  CHECK(selector.constraints(0).condition() == api::NOTEQUAL);
  CHECK(policy->rules(1).action() == api::CONVERT);
  CHECK(policy->rules(1).updates().attrs().at("x") == "y");
  CHECK_FALSE(policy->rules(2).has_selector());
}

TEST_CASE("a source policy that is none is refused by the field") {
  for (const char* text : {"hello", "[]", "7", R"({"version":"1"})", R"({"rules":{}})", R"({"rules":[1]})", R"({"rules":[{"action":"MAYBE"}]})", R"({"rules":[{"action":9}]})",
                           R"({"rules":[{"selector":[]}]})", R"({"rules":[{"selector":{"identifier":1}}]})", R"({"rules":[{"updates":{"attrs":{"a":1}}}]})"}) {
    CHECK_MESSAGE(bk::Message(ParseSourcePolicy(text).status()).starts_with("json: "), text);
  }
  CHECK(ParseSourcePolicy("null").ok());
  CHECK(ParseSourcePolicy("{}").ok());
}
