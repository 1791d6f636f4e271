#include "base/time_text.h"

#include <cstdio>
#include <ctime>

namespace bk {

std::string Rfc3339(int64_t seconds, int32_t nanos, Decimals decimals, char separator, const char* end) {
  std::time_t time = seconds;
  std::tm t{};
  gmtime_r(&time, &t);
  char text[96];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d%c%02d:%02d:%02d", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, separator, t.tm_hour, t.tm_min, t.tm_sec);
  std::string out = text;
  if (decimals == Decimals::kNine || (decimals == Decimals::kAsNeeded && nanos != 0)) {
    std::snprintf(text, sizeof text, ".%09d", nanos);
    out += text;
    if (decimals == Decimals::kAsNeeded) out.erase(out.find_last_not_of('0') + 1);
  }
  return out + end;
}

std::string Rfc3339OfNs(int64_t ns, Decimals decimals) {
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t seconds = ns / kSecond, rest = ns % kSecond;
  if (rest < 0) seconds--, rest += kSecond;
  return Rfc3339(seconds, static_cast<int32_t>(rest), decimals);
}

}  // namespace bk
