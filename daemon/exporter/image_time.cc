#include "daemon/exporter/image_time.h"

#include <time.h>

#include <cstdio>

#include "base/time_text.h"

namespace bk::exporter {
namespace {

bool Digits(std::string_view text, size_t at, size_t count, int& out) {
  out = 0;
  if (at + count > text.size()) return false;
  for (size_t i = at; i < at + count; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + (text[i] - '0');
  }
  return true;
}

int DaysOf(int year, int month) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[month - 1];
}

std::string Fraction(int32_t nanoseconds) {
  if (nanoseconds == 0) return "";
  char digits[16];
  snprintf(digits, sizeof digits, ".%09d", nanoseconds);
  std::string out = digits;
  out.erase(out.find_last_not_of('0') + 1);
  return out;
}

}  // namespace

absl::StatusOr<ImageTime> ImageTime::Parse(std::string_view text) {
  auto bad = [&] { return InvalidArgument("parsing time ", Quote(text), " as \"2006-01-02T15:04:05Z07:00\": cannot parse ", Quote(text)); };
  int year, month, day, hour, minute, second;
  if (!Digits(text, 0, 4, year) || !Digits(text, 5, 2, month) || !Digits(text, 8, 2, day) || !Digits(text, 11, 2, hour) ||
      !Digits(text, 14, 2, minute) || !Digits(text, 17, 2, second)) {
    return bad();
  }
  if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') return bad();
  if (month < 1 || month > 12 || day < 1 || day > DaysOf(year, month) || hour > 23 || minute > 59 || second > 59) return bad();
  ImageTime out;
  size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    size_t end = at + 1;
    int32_t scale = 100000000;
    for (; end < text.size() && text[end] >= '0' && text[end] <= '9'; end++) {
      out.nanoseconds += (text[end] - '0') * scale;
      scale /= 10;
    }
    if (end == at + 1) return bad();
    at = end;
  }
  std::string_view zone = text.substr(at);
  int offset_s = 0;
  std::string zone_text = "Z";
  if (zone != "Z") {
    int hours, minutes;
    if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !Digits(zone, 1, 2, hours) || !Digits(zone, 4, 2, minutes) || hours > 23 || minutes > 59) {
      return bad();
    }
    offset_s = (hours * 60 + minutes) * 60;
    if (offset_s != 0) zone_text = zone;
    if (zone[0] == '-') offset_s = -offset_s;
  }
  struct tm tm {};
  tm.tm_year = year - 1900;
  tm.tm_mon = month - 1;
  tm.tm_mday = day;
  tm.tm_hour = hour;
  tm.tm_min = minute;
  tm.tm_sec = second;
  out.seconds = timegm(&tm) - offset_s;
  out.text = StrCat(text.substr(0, 19), Fraction(out.nanoseconds), zone_text);
  return out;
}

ImageTime ImageTime::FromSeconds(int64_t seconds) { return {seconds, 0, Rfc3339(seconds)}; }

ImageTime ImageTime::FromNs(int64_t ns) {
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t seconds = ns / kSecond, rest = ns % kSecond;
  if (rest < 0) {
    seconds--;
    rest += kSecond;
  }
  auto nanoseconds = static_cast<int32_t>(rest);
  return {seconds, nanoseconds, Rfc3339(seconds, nanoseconds)};
}

std::string ImageTime::SecondsText() const { return Rfc3339(seconds); }

}  // namespace bk::exporter
