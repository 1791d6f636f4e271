#include "daemon/source/http/date.h"

#include <ctime>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/unicode.h"

namespace bk::source::http {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Takes pieces of a text from its front; once one is missing, all further ones are.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  bool done() const { return ok_ && rest_.empty(); }

  Reader& Literal(std::string_view text) {
    ok_ = ok_ && rest_.starts_with(text);
    if (ok_) rest_.remove_prefix(text.size());
    return *this;
  }
  Reader& Number(size_t digits, int low, int high, int& out) {
    ok_ = ok_ && rest_.size() >= digits && std::all_of(rest_.begin(), rest_.begin() + static_cast<ptrdiff_t>(digits), [](unsigned char c) { return std::isdigit(c); });
    if (!ok_) return *this;
    out = 0;
    for (char c : rest_.substr(0, digits)) out = out * 10 + (c - '0');
    rest_.remove_prefix(digits);
    ok_ = out >= low && out <= high;
    return *this;
  }
  Reader& Day(bool whole) {
    bool found = false;
    for (std::string_view day : kDays) found = found || Name(whole ? day : day.substr(0, 3));
    ok_ = ok_ && found;
    return *this;
  }
  Reader& Month(int& out) {
    bool found = false;
    for (size_t i = 0; i < kMonths.size() && !found; i++) {
      found = Name(kMonths[i]);
      out = static_cast<int>(i);
    }
    ok_ = ok_ && found;
    return *this;
  }
  // A day of the month; one digit may stand behind a blank, or alone.
  Reader& PaddedDay(int& out) {
    if (rest_.starts_with(' ')) rest_.remove_prefix(1);
    bool two = rest_.size() > 1 && std::isdigit(static_cast<unsigned char>(rest_[1]));
    return Number(two ? 2 : 1, 1, 31, out);
  }
  Reader& Time(std::tm& out) { return Number(2, 0, 23, out.tm_hour).Literal(":").Number(2, 0, 59, out.tm_min).Literal(":").Number(2, 0, 59, out.tm_sec); }
  // "GMT", or another abbreviation of three or four letters (its offset is unknown and taken for none).
  Reader& Zone() {
    size_t letters = 0;
    while (letters < rest_.size() && rest_[letters] >= 'A' && rest_[letters] <= 'Z') letters++;
    ok_ = ok_ && (letters == 3 || letters == 4);
    if (ok_) rest_.remove_prefix(letters);
    return *this;
  }

 private:
  bool Name(std::string_view name) {
    if (!ok_ || !EqualFold(rest_.substr(0, name.size()), name)) return false;
    rest_.remove_prefix(name.size());
    return true;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<int64_t> Seconds(std::tm broken, int year) {
  broken.tm_year = year - 1900;
  int day = broken.tm_mday, month = broken.tm_mon;
  int64_t seconds = timegm(&broken);
  if (broken.tm_mday != day || broken.tm_mon != month) return std::nullopt;  // 30 February
  return seconds;
}

}  // namespace

std::optional<int64_t> ParseDate(std::string_view text) {
  int year = 0;
  std::tm broken{};
  if (Reader(text).Day(false).Literal(", ").Number(2, 1, 31, broken.tm_mday).Literal(" ").Month(broken.tm_mon).Literal(" ").Number(4, 0, 9999, year).Literal(" ").Time(broken).Literal(" GMT").done()) {
    return Seconds(broken, year);
  }
  broken = {};
  if (Reader(text).Day(true).Literal(", ").Number(2, 1, 31, broken.tm_mday).Literal("-").Month(broken.tm_mon).Literal("-").Number(2, 0, 99, year).Literal(" ").Time(broken).Literal(" ").Zone().done()) {
    return Seconds(broken, year < 69 ? 2000 + year : 1900 + year);
  }
  broken = {};
  if (Reader(text).Day(false).Literal(" ").Month(broken.tm_mon).Literal(" ").PaddedDay(broken.tm_mday).Literal(" ").Time(broken).Literal(" ").Number(4, 0, 9999, year).done()) {
    return Seconds(broken, year);
  }
  return std::nullopt;
}

std::string FormatDate(int64_t seconds) {
  std::time_t time = seconds;
  std::tm broken{};
  gmtime_r(&time, &broken);
  auto padded = [](int value, size_t digits) {
    std::string text = std::to_string(value);
    return text.size() < digits ? std::string(digits - text.size(), '0') + text : text;
  };
  return std::string(kDays[static_cast<size_t>(broken.tm_wday)].substr(0, 3)) + ", " + padded(broken.tm_mday, 2) + " " + std::string(kMonths[static_cast<size_t>(broken.tm_mon)]) + " " +
         padded(broken.tm_year + 1900, 4) + " " + padded(broken.tm_hour, 2) + ":" + padded(broken.tm_min, 2) + ":" + padded(broken.tm_sec, 2) + " GMT";
}

}  // namespace bk::source::http
