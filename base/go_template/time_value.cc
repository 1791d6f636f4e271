#include "base/go_template/time_value.h"

#include <cstdio>
#include <ctime>

#include "base/go_json.h"
#include "base/go_parse.h"
#include "base/time_text.h"

namespace bk::go_template {
namespace {

struct Time {
  int64_t seconds = 0;
  int32_t nanos = 0;
  bool local = false;

  std::tm Parts() const {
    std::time_t time = seconds;
    std::tm parts{};
    local ? localtime_r(&time, &parts) : gmtime_r(&time, &parts);
    return parts;
  }
};

constexpr int64_t kZeroTimeSeconds = -62135596800;  // year 1
constexpr char kLongDay[] = "Monday", kLongMonth[] = "January";

const Time& TimeOf(const Value& value) { return *static_cast<const Time*>(value.payload()); }

std::string Offset(const std::tm& parts, bool colon) {
  long minutes = std::labs(parts.tm_gmtoff) / 60;
  char text[48];
  std::snprintf(text, sizeof text, "%c%02ld%s%02ld", parts.tm_gmtoff < 0 ? '-' : '+', minutes / 60, colon ? ":" : "", minutes % 60);
  return text;
}

std::string Number(int value, int width, char fill = '0') {
  std::string text = std::to_string(value);
  if (static_cast<int>(text.size()) < width) text.insert(0, static_cast<size_t>(width) - text.size(), fill);
  return text;
}

std::string Named(const std::tm& parts, const char* form) {
  char text[64];
  size_t size = strftime(text, sizeof text, form, &parts);
  return std::string(text, size);
}

// ".000" or ".999" (also after a comma): the digits, or none where trailing zeros are not wanted.
std::string Fraction(const Time& time, std::string_view layout) {
  std::string digits = Number(time.nanos, 9).substr(0, std::min<size_t>(9, layout.size() - 1));
  if (layout[1] == '9') digits.erase(digits.find_last_not_of('0') + 1);
  return digits.empty() ? "" : layout[0] + digits;
}

size_t FractionSize(std::string_view layout) {
  if (layout.size() < 2 || (layout[0] != '.' && layout[0] != ',') || (layout[1] != '0' && layout[1] != '9')) return 0;
  size_t size = 1;
  while (size < layout.size() && layout[size] == layout[1]) size++;
  bool digit_follows = size < layout.size() && layout[size] >= '0' && layout[size] <= '9';
  return digit_follows ? 0 : size;
}

struct Element {
  std::string_view layout;
  std::string (*text)(const Time&, const std::tm&);
};

// Longer ones first where one begins another.
const Element kElements[] = {
    {"2006", [](const Time&, const std::tm& p) { return Number(p.tm_year + 1900, 4); }},
    {kLongMonth, [](const Time&, const std::tm& p) { return Named(p, "%B"); }},
    {"Jan", [](const Time&, const std::tm& p) { return Named(p, "%b"); }},
    {kLongDay, [](const Time&, const std::tm& p) { return Named(p, "%A"); }},
    {"Mon", [](const Time&, const std::tm& p) { return Named(p, "%a"); }},
    {"MST", [](const Time& t, const std::tm& p) { return t.local ? Named(p, "%Z") : std::string("UTC"); }},
    {"Z07:00", [](const Time&, const std::tm& p) { return p.tm_gmtoff == 0 ? std::string("Z") : Offset(p, true); }},
    {"Z0700", [](const Time&, const std::tm& p) { return p.tm_gmtoff == 0 ? std::string("Z") : Offset(p, false); }},
    {"-07:00", [](const Time&, const std::tm& p) { return Offset(p, true); }},
    {"-0700", [](const Time&, const std::tm& p) { return Offset(p, false); }},
    {"-07", [](const Time&, const std::tm& p) { return Offset(p, false).substr(0, 3); }},
    {"__2", [](const Time&, const std::tm& p) { return Number(p.tm_yday + 1, 3, ' '); }},
    {"002", [](const Time&, const std::tm& p) { return Number(p.tm_yday + 1, 3); }},
    {"01", [](const Time&, const std::tm& p) { return Number(p.tm_mon + 1, 2); }},
    {"02", [](const Time&, const std::tm& p) { return Number(p.tm_mday, 2); }},
    {"03", [](const Time&, const std::tm& p) { return Number((p.tm_hour + 11) % 12 + 1, 2); }},
    {"04", [](const Time&, const std::tm& p) { return Number(p.tm_min, 2); }},
    {"05", [](const Time&, const std::tm& p) { return Number(p.tm_sec, 2); }},
    {"06", [](const Time&, const std::tm& p) { return Number((p.tm_year + 1900) % 100, 2); }},
    {"15", [](const Time&, const std::tm& p) { return Number(p.tm_hour, 2); }},
    {"_2", [](const Time&, const std::tm& p) { return Number(p.tm_mday, 2, ' '); }},
    {"PM", [](const Time&, const std::tm& p) { return std::string(p.tm_hour >= 12 ? "PM" : "AM"); }},
    {"pm", [](const Time&, const std::tm& p) { return std::string(p.tm_hour >= 12 ? "pm" : "am"); }},
    {"1", [](const Time&, const std::tm& p) { return Number(p.tm_mon + 1, 1); }},
    {"2", [](const Time&, const std::tm& p) { return Number(p.tm_mday, 1); }},
    {"3", [](const Time&, const std::tm& p) { return Number((p.tm_hour + 11) % 12 + 1, 1); }},
    {"4", [](const Time&, const std::tm& p) { return Number(p.tm_min, 1); }},
    {"5", [](const Time&, const std::tm& p) { return Number(p.tm_sec, 1); }},
};

const Element* FindElement(std::string_view layout) {
  if (layout.starts_with("_2006")) return nullptr;  // "_" and then the year
  for (const Element& element : kElements) {
    if (!layout.starts_with(element.layout)) continue;
    // "Jane" and "Monk" are words.
    bool name = element.layout == "Jan" || element.layout == "Mon";
    if (name && layout.size() > 3 && layout[3] >= 'a' && layout[3] <= 'z') continue;
    return &element;
  }
  return nullptr;
}

std::string Format(const Time& time, std::string_view layout) {
  std::tm parts = time.Parts();
  std::string out;
  while (!layout.empty()) {
    if (size_t size = FractionSize(layout); size > 0) {
      out += Fraction(time, layout.substr(0, size));
      layout.remove_prefix(size);
    } else if (const Element* element = FindElement(layout)) {
      out += element->text(time, parts);
      layout.remove_prefix(element->layout.size());
    } else {
      out += layout[0];
      layout.remove_prefix(1);
    }
  }
  return out;
}

std::shared_ptr<const Type> TimeType();

Value Make(Time time) { return Value::Opaque(TimeType(), std::make_shared<const Time>(time)); }

std::shared_ptr<const Type> MonthType() {
  static const auto type = [] {
    Type month{"time.Month", Kind::kInt, {}, {}, {}};
    month.text = [](const Value& value) {
      std::tm parts{};
      parts.tm_mon = static_cast<int>(value.integer()) - 1;
      return Named(parts, "%B");
    };
    return std::make_shared<const Type>(std::move(month));
  }();
  return type;
}

Method Plain(std::string name, Value (*call)(const Time&)) {
  return {std::move(name), 0, [call](const Value& receiver, std::span<const Value>) -> absl::StatusOr<Value> { return call(TimeOf(receiver)); }};
}

std::shared_ptr<const Type> TimeType() {
  static const auto type = [] {
    Type time{"time.Time", Kind::kStruct, {}, {}, {}};
    time.text = [](const Value& value) { return Format(TimeOf(value), "2006-01-02 15:04:05.999999999 -0700 MST"); };
    time.json = [](const Value& value) { return GoJsonString(Format(TimeOf(value), "2006-01-02T15:04:05.999999999Z07:00")); };
    time.methods = {
        {"Format", 1, [](const Value& value, std::span<const Value> args) -> absl::StatusOr<Value> { return Value::String(Format(TimeOf(value), args[0].text())); }},
        Plain("String", [](const Time& t) { return Value::String(Format(t, "2006-01-02 15:04:05.999999999 -0700 MST")); }),
        Plain("Unix", [](const Time& t) { return Value::IntOf(MakeType("int64", Kind::kInt), t.seconds); }),
        Plain("UnixMilli", [](const Time& t) { return Value::IntOf(MakeType("int64", Kind::kInt), static_cast<int64_t>(static_cast<uint64_t>(t.seconds) * 1000 + static_cast<uint64_t>(t.nanos) / 1'000'000)); }),
        Plain("UnixNano", [](const Time& t) { return Value::IntOf(MakeType("int64", Kind::kInt), static_cast<int64_t>(static_cast<uint64_t>(t.seconds) * 1'000'000'000 + static_cast<uint64_t>(t.nanos))); }),
        Plain("IsZero", [](const Time& t) { return Value::Bool(t.seconds == kZeroTimeSeconds && t.nanos == 0); }),
        Plain("UTC", [](const Time& t) { return Make({t.seconds, t.nanos, false}); }),
        Plain("Local", [](const Time& t) { return Make({t.seconds, t.nanos, true}); }),
        Plain("Year", [](const Time& t) { return Value::Int(t.Parts().tm_year + 1900); }),
        Plain("Month", [](const Time& t) { return Value::IntOf(MonthType(), t.Parts().tm_mon + 1); }),
        Plain("Day", [](const Time& t) { return Value::Int(t.Parts().tm_mday); }),
        Plain("YearDay", [](const Time& t) { return Value::Int(t.Parts().tm_yday + 1); }),
        Plain("Hour", [](const Time& t) { return Value::Int(t.Parts().tm_hour); }),
        Plain("Minute", [](const Time& t) { return Value::Int(t.Parts().tm_min); }),
        Plain("Second", [](const Time& t) { return Value::Int(t.Parts().tm_sec); }),
        Plain("Nanosecond", [](const Time& t) { return Value::Int(t.nanos); }),
    };
    return std::make_shared<const Type>(std::move(time));
  }();
  return type;
}

Method Scaled(std::string name, double unit) {
  return {std::move(name), 0, [unit](const Value& value, std::span<const Value>) -> absl::StatusOr<Value> { return Value::Float(static_cast<double>(value.integer()) / unit); }};
}

Method Whole(std::string name, int64_t unit) {
  return {std::move(name), 0, [unit](const Value& value, std::span<const Value>) -> absl::StatusOr<Value> { return Value::IntOf(MakeType("int64", Kind::kInt), value.integer() / unit); }};
}

std::shared_ptr<const Type> DurationType() {
  static const auto type = [] {
    Type duration{"time.Duration", Kind::kInt, {}, {}, {}};
    duration.text = [](const Value& value) { return FormatDuration(value.integer()); };
    duration.methods = {
        {"String", 0, [](const Value& value, std::span<const Value>) -> absl::StatusOr<Value> { return Value::String(FormatDuration(value.integer())); }},
        Scaled("Hours", 3.6e12), Scaled("Minutes", 6e10), Scaled("Seconds", 1e9),
        Whole("Milliseconds", 1'000'000), Whole("Microseconds", 1000), Whole("Nanoseconds", 1),
    };
    return std::make_shared<const Type>(std::move(duration));
  }();
  return type;
}

}  // namespace

Value TimeValue(int64_t seconds, int32_t nanos) { return Make({seconds, nanos, false}); }

Value TimePointer(bool there, int64_t seconds, int32_t nanos) {
  Value pointer = Value::Pointer(TimeValue(there ? seconds : 0, there ? nanos : 0));
  return there ? pointer : Value::Pointer(std::make_shared<const Type>(pointer.type()), pointer.target(), true);
}

Value DurationValue(int64_t ns) { return Value::IntOf(DurationType(), ns); }

std::string FormatTime(int64_t seconds, int32_t nanos, bool local, std::string_view layout) { return Format({seconds, nanos, local}, layout); }

}  // namespace bk::go_template
