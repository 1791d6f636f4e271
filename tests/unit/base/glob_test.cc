#include "base/glob.h"

#include <doctest/doctest.h>

#include "base/ignore_pattern.h"

using namespace bk;

TEST_CASE("a star stops at a slash, a negated class does not") {  // INF-013
  CHECK(*GlobMatch("a*c", "abc"));
  CHECK_FALSE(*GlobMatch("a*c", "a/c"));
  CHECK(*GlobMatch("a[^x]c", "a/c"));
  CHECK_FALSE(*GlobMatch("a?c", "a/c"));
}

TEST_CASE("a bad pattern is an error whatever the name") {
  CHECK_FALSE(GlobMatch("a[", "b").ok());
  CHECK_FALSE(GlobMatch("a\\", "a").ok());
  CHECK_FALSE(CheckGlob("[]a]").ok());
}

TEST_CASE("many stars against a long name take no exponential time") {
  std::string pattern, name(20000, 'a');
  for (int i = 0; i < 200; i++) pattern += "a*";
  CHECK_FALSE(*GlobMatch(pattern + "b", name));
}

TEST_CASE("the last matching pattern decides, parents included [DFE-020]") {  // INF-014
  std::vector<std::string> patterns = {"docs", "!docs/keep.md", "**/*.tmp"};
  auto matcher = PatternMatcher::Create(patterns);
  REQUIRE(matcher.ok());
  CHECK(*matcher->MatchesOrParentMatches("docs/a/b"));
  CHECK_FALSE(*matcher->MatchesOrParentMatches("docs/keep.md"));
  CHECK(*matcher->MatchesOrParentMatches("x/y/z.tmp"));
  CHECK_FALSE(*matcher->MatchesOrParentMatches("src"));
}

TEST_CASE("a walk hands results of directories down to their files") {
  std::vector<std::string> patterns = {"a", "!a/b"};
  auto matcher = PatternMatcher::Create(patterns);
  PatternMatcher::ParentResults top, below;
  CHECK(*matcher->MatchesUsingParentResults("a", {}, top));
  CHECK_FALSE(*matcher->MatchesUsingParentResults("a/b", top, below));
  CHECK(*matcher->MatchesUsingParentResults("a/c", top, below));
}
