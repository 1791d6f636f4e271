#include "client/progress/time_text.h"

#include <cstdio>
#include <ctime>

namespace bk::client {
namespace {

std::string DateTime(const google::protobuf::Timestamp& time, char separator) {
  std::time_t seconds = time.seconds();
  std::tm t{};
  gmtime_r(&seconds, &t);
  char text[96];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d%c%02d:%02d:%02d", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, separator, t.tm_hour, t.tm_min, t.tm_sec);
  std::string out = text;
  if (time.nanos() == 0) return out;
  std::snprintf(text, sizeof text, ".%09d", time.nanos());
  std::string fraction = text;
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return out + fraction;
}

}  // namespace

std::string TimeText(const google::protobuf::Timestamp& time) { return DateTime(time, ' ') + " +0000 UTC"; }
std::string JsonTimeText(const google::protobuf::Timestamp& time) { return DateTime(time, 'T') + "Z"; }

}  // namespace bk::client
