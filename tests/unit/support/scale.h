// How large the large cases of unit tests are: a tenth under a sanitizer, whose frames are larger as well.
#pragma once

namespace bk::test {

#ifdef BK_SANITIZED
constexpr int kLarge = 10'000;
#else
constexpr int kLarge = 100'000;
#endif

}  // namespace bk::test
