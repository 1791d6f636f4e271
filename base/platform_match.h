// Which platforms an image may be for when one is asked for, and which of several is best.
//
// Rules: containerd/platforms Only, OnlyStrict, Ordered and Any (older variants run on newer ones, the offered OS features
// must be a subset of the wanted ones, Windows builds follow its LTSC table). Values; thread-safe.
#pragma once

#include <vector>

#include "base/platform.h"

namespace bk {

class PlatformMatcher {
 public:
  // `wanted` and what runs on it as well, best first.
  static PlatformMatcher Only(const Platform& wanted);
  // `wanted` alone.
  static PlatformMatcher Strict(const Platform& wanted) { return Ordered({wanted}); }
  // Any of the list, the earlier the better.
  static PlatformMatcher Ordered(std::vector<Platform> wanted) { return PlatformMatcher(std::move(wanted), true); }
  // Any of the list, all alike.
  static PlatformMatcher Any(std::vector<Platform> wanted) { return PlatformMatcher(std::move(wanted), false); }

  bool Matches(const Platform& offered) const;
  // A strict weak order of offers, best first; those that do not match come last.
  bool Less(const Platform& a, const Platform& b) const;

 private:
  PlatformMatcher(std::vector<Platform> wanted, bool ordered);
  bool OrderedLess(const Platform& a, const Platform& b) const;
  bool AnyLess(const Platform& a, const Platform& b) const;

  std::vector<Platform> wanted_;  // normalised
  bool ordered_;
};

}  // namespace bk
