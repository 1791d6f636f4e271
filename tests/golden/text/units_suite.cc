// Durations, sizes and times as text, read and written.
#include <google/protobuf/util/time_util.h>

#include "base/go_parse.h"
#include "base/units.h"
#include "client/progress/interval.h"
#include "client/progress/time_text.h"
#include "daemon/config/value.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kDiskBytes = 250'000'000'000;

template <typename T, typename Check>
absl::Status ExpectResult(const std::string& what, const absl::StatusOr<T>& got, const Json& expect, const char* error_key, Check check) {
  if (expect.contains(error_key)) return ExpectText(what, got.ok() ? "no error" : Message(got.status()), expect.at(error_key).get<std::string>());
  return got.ok() ? check(*got) : Annotate(got.status(), what);
}

absl::Status CheckDuration(const std::string& text, const Json& expect) {
  BK_RETURN_IF_ERROR(ExpectResult("config", config::ParseSeconds(text), expect, "config_error",
                                  [&](config::Nanoseconds got) { return ExpectJson("config", got.ns, expect.at("config_ns")); }));
  return ExpectResult("duration", ParseDurationNs(text), expect, "go_error", [&](int64_t got) {
    BK_RETURN_IF_ERROR(ExpectJson("duration", got, expect.at("go_ns")));
    return ExpectText("duration as text", FormatDuration(got), expect.at("go_string").get<std::string>());
  });
}

absl::Status CheckDiskSpace(const std::string& text, const Json& expect) {
  return ExpectResult("disk space", config::ParseDiskSpace(text), expect, "error", [&](const config::DiskSpace& got) {
    BK_RETURN_IF_ERROR(ExpectJson("bytes", got.bytes, expect.at("bytes")));
    BK_RETURN_IF_ERROR(ExpectJson("percentage", got.percent, expect.at("percentage")));
    BK_RETURN_IF_ERROR(ExpectJson("of a known disk", config::BytesOf(got, kDiskBytes), expect.at("as_bytes_250e9_disk")));
    return ExpectJson("of an unknown disk", config::BytesOf(got, 0), expect.at("as_bytes_unknown_disk"));
  });
}

absl::Status CheckBytes(int64_t bytes, const Json& expect) {
  const std::pair<const char*, std::string> forms[] = {{"%.2f", FormatSize(bytes)},
                                                       {"%g", FormatSize(bytes, SizeUnits::kDecimal, kExact)},
                                                       {"%#g", FormatSize(bytes, SizeUnits::kBinary, kExact)},
                                                       {"%#.f", FormatSize(bytes, SizeUnits::kBinary, 0)}};
  for (const auto& [form, got] : forms) {
    std::string want = expect.at(form).get<std::string>();
    // The reference's units overflow near 2^63 and it prints a panic or an infinity.
    if (want.find("PANIC") == std::string::npos && want.find("Inf") == std::string::npos) BK_RETURN_IF_ERROR(ExpectText(form, got, want));
  }
  return absl::OkStatus();
}

absl::Status CheckMilliseconds(int64_t milliseconds, const Json& expect) {
  int64_t ns = milliseconds * kMillisecond;
  double seconds = client::Seconds(ns);
  BK_RETURN_IF_ERROR(ExpectText("done", client::DoneText(seconds), expect.at("done").get<std::string>()));
  BK_RETURN_IF_ERROR(ExpectText("log prefix", client::LogTimeText(ns), expect.at("log_prefix").get<std::string>()));
  BK_RETURN_IF_ERROR(ExpectText("timer", client::TimerText(seconds), expect.at("tty_timer").get<std::string>()));
  return ExpectText("duration", FormatDuration(ns), expect.at("go_duration").get<std::string>());
}

absl::Status CheckTime(const std::string& text, const Json& expect) {
  google::protobuf::Timestamp time;
  if (!google::protobuf::util::TimeUtil::FromString(text, &time)) return Internal("no time: ", text);
  BK_RETURN_IF_ERROR(ExpectText("json", client::JsonTimeText(time), expect.at("json").get<std::string>()));
  return ExpectText("utc", client::TimeText(time), expect.at("go_string_utc").get<std::string>());
}

}  // namespace

absl::Status RunUnits(const Json& c, const std::string&) {
  const Json &input = c.at("input"), &expect = c.at("expect");
  if (input.contains("duration")) return CheckDuration(input.at("duration").get<std::string>(), expect);
  if (input.contains("disk_space")) return CheckDiskSpace(input.at("disk_space").get<std::string>(), expect);
  if (input.contains("bytes")) return CheckBytes(input.at("bytes").get<int64_t>(), expect);
  if (input.contains("milliseconds")) return CheckMilliseconds(input.at("milliseconds").get<int64_t>(), expect);
  if (input.contains("rfc3339")) return CheckTime(input.at("rfc3339").get<std::string>(), expect);
  return Internal("unknown kind of case");
}

}  // namespace bk::golden::text
