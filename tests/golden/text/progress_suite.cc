// Plays streams of status messages to the displays on a clock of their own and compares what they print.
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>

#include "base/digest.h"
#include "client/progress/display.h"
#include "client/progress/printer.h"
#include "client/progress/status_json.h"
#include "tests/golden/text/suites.h"
#include "tests/unit/support/screen.h"

namespace bk::golden::text {
namespace {

using moby::buildkit::v1::StatusResponse;

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kEpochNs = 946'684'800'000'000'000;  // 2000-01-01T00:00:00Z, the start of every stream

// `field()` names the field only if the case has it: an absent time is no zero time.
template <typename Field>
void SetTime(const Json& from, const char* key, Field field) {
  if (from.contains(key)) google::protobuf::util::TimeUtil::FromString(from.at(key).get<std::string>(), field());
}
template <typename T>
void SetStartAndEnd(const Json& from, T* to) {
  SetTime(from, "started", [to] { return to->mutable_started(); });
  SetTime(from, "completed", [to] { return to->mutable_completed(); });
}
template <typename T>
void SetTimestamp(const Json& from, T* to) {
  SetTime(from, "timestamp", [to] { return to->mutable_timestamp(); });
}

std::string Decoded(const Json& from, const char* key) { return Base64Decode(from.value(key, "")).value_or(""); }

void FillVertex(const Json& j, moby::buildkit::v1::Vertex* v) {
  v->set_digest(j.value("digest", ""));
  for (const Json& input : j.value("inputs", Json::array())) v->add_inputs(input.get<std::string>());
  v->set_name(j.value("name", ""));
  v->set_cached(j.value("cached", false));
  v->set_error(j.value("error", ""));
  SetStartAndEnd(j, v);
  if (!j.contains("progressGroup")) return;
  const Json& group = j.at("progressGroup");
  v->mutable_progressgroup()->set_id(group.value("id", ""));
  v->mutable_progressgroup()->set_name(group.value("name", ""));
  v->mutable_progressgroup()->set_weak(group.value("weak", false));
}

void FillWarning(const Json& j, moby::buildkit::v1::VertexWarning* w) {
  w->set_vertex(j.value("vertex", ""));
  w->set_level(j.value("level", int64_t{0}));
  w->set_short_(Decoded(j, "short"));
  for (const Json& line : j.value("detail", Json::array())) w->add_detail(Base64Decode(line.get<std::string>()).value_or(""));
  w->set_url(j.value("url", ""));
  if (j.contains("sourceInfo")) {
    const Json& info = j.at("sourceInfo");
    w->mutable_info()->set_filename(info.value("filename", ""));
    w->mutable_info()->set_data(Decoded(info, "data"));
    w->mutable_info()->set_language(info.value("language", ""));
    if (info.contains("definition")) (void)google::protobuf::util::JsonStringToMessage(info.at("definition").dump(), w->mutable_info()->mutable_definition());
  }
  for (const Json& range : j.value("range", Json::array())) {
    auto* to = w->add_ranges();
    auto set = [&](const char* key, pb::Position* position) {
      position->set_line(range.at(key).value("line", 0));
      position->set_character(range.at(key).value("character", 0));
    };
    if (range.contains("start")) set("start", to->mutable_start());
    if (range.contains("end")) set("end", to->mutable_end());
  }
}

StatusResponse Message(const Json& j) {
  StatusResponse status;
  for (const Json& v : j.value("vertexes", Json::array())) FillVertex(v, status.add_vertexes());
  for (const Json& s : j.value("statuses", Json::array())) {
    auto* to = status.add_statuses();
    to->set_id(s.value("id", ""));
    to->set_vertex(s.value("vertex", ""));
    to->set_name(s.value("name", ""));
    to->set_total(s.value("total", int64_t{0}));
    to->set_current(s.value("current", int64_t{0}));
    SetTimestamp(s, to);
    SetStartAndEnd(s, to);
  }
  for (const Json& l : j.value("logs", Json::array())) {
    auto* to = status.add_logs();
    to->set_vertex(l.value("vertex", ""));
    to->set_stream(l.value("stream", int64_t{0}));
    to->set_msg(Decoded(l, "data"));
    SetTimestamp(l, to);
  }
  for (const Json& w : j.value("warnings", Json::array())) FillWarning(w, status.add_warnings());
  return status;
}

using client::TerminalSize;

struct Event {
  int64_t at_ms = 0;
  std::optional<StatusResponse> status;
  std::optional<TerminalSize> resize;
};

struct Stream {
  std::vector<Event> events;
  int64_t end_ms = 0;
};

// The one generator there is: `count` steps in one message, all of them done in the next.
std::vector<Event> Generated(const Json& generator) {
  std::vector<Event> events(2);
  events[0].at_ms = generator.at("message_1").at("at_ms").get<int64_t>();
  events[1].at_ms = generator.at("message_2").at("at_ms").get<int64_t>();
  int count = generator.at("count").get<int>();
  for (Event& event : events) event.status.emplace();
  for (int n = 0; n < count; n++) {
    for (Event& event : events) {
      auto* v = event.status->add_vertexes();
      v->set_digest(DigestOf(StrCat("golden:v", n)).str());
      v->set_name(StrCat("[", n + 1, "/", count, "] RUN ", n));
      if (&event == &events[0]) continue;
      *v->mutable_started() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(kEpochNs + 200 * kMillisecond + n * 1000);
      *v->mutable_completed() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(kEpochNs + 300 * kMillisecond + n * 100'000);
      v->set_cached(n % 3 == 0);
    }
  }
  return events;
}

Stream ReadStream(const Json& input) {
  Stream stream;
  stream.end_ms = input.at("end_ms").get<int64_t>();
  if (input.contains("generator")) stream.events = Generated(input.at("generator"));
  for (const Json& j : input.value("events", Json::array())) {
    Event& event = stream.events.emplace_back();
    event.at_ms = j.at("at_ms").get<int64_t>();
    if (j.contains("status")) event.status = Message(j.at("status"));
    if (j.contains("resize")) event.resize = TerminalSize{j.at("resize").at(0).get<int>(), j.at("resize").at(1).get<int>()};
  }
  return stream;
}

client::Settings SettingsOf(const Json& input) {
  const Json environment = input.value("env", Json::object());
  return client::ReadSettings([&](const char* name) -> std::optional<std::string> {
    return environment.contains(name) ? std::optional(environment.at(name).get<std::string>()) : std::nullopt;
  });
}

// What was written before a time (a frame is taken before the message of its own time), and on a terminal of which size.
struct Played {
  struct Piece {
    int64_t at_ms;
    std::string bytes;
  };
  std::vector<Piece> pieces;
  std::vector<Event> resizes;

  std::string Before(int64_t at_ms) const {
    std::string all;
    for (const Piece& piece : pieces) {
      if (piece.at_ms < at_ms) all += piece.bytes;
    }
    return all;
  }
  std::string All() const { return Before(std::numeric_limits<int64_t>::max()); }
};

Played Play(const Stream& stream, const client::Settings& settings, TerminalSize size,
            const std::function<std::unique_ptr<client::Printer>(client::Sink, std::function<TerminalSize()>)>& make) {
  Played played;
  int64_t now_ms = 0;
  // The reference learns of a new size at the next message, ours at the next redraw: here both do at the message.
  TerminalSize known = size;
  client::Pace pace(make([&](std::string_view text) { played.pieces.push_back({now_ms, std::string(text)}); }, [&] { return known; }), settings, kEpochNs);
  auto ticks_before = [&](int64_t until_ms) {
    while (pace.next_tick_ns() < kEpochNs + until_ms * kMillisecond) {
      now_ms = (pace.next_tick_ns() - kEpochNs) / kMillisecond;
      pace.Tick(kEpochNs + now_ms * kMillisecond);
    }
    now_ms = until_ms;
  };
  for (const Event& event : stream.events) {
    ticks_before(event.at_ms);
    if (event.resize.has_value()) {
      played.resizes.push_back(event);
      size = *event.resize;
      continue;
    }
    known = size;
    pace.Update(*event.status, kEpochNs + now_ms * kMillisecond);
  }
  ticks_before(stream.end_ms);
  known = size;
  pace.Finish(kEpochNs + now_ms * kMillisecond);
  return played;
}

std::string Plain(const Json& input, const Stream& stream) {
  client::Settings settings = SettingsOf(input);
  std::string description = input.value("options", Json::object()).value("text", "");
  Played played = Play(stream, settings, {}, [&](client::Sink sink, std::function<TerminalSize()>) {
    return client::MakePlainPrinter(std::move(sink), settings, description);
  });
  return played.All();
}

Played Tty(const Json& input, const Stream& stream, TerminalSize size) {
  client::Settings settings = SettingsOf(input);
  Json options = input.value("options", Json::object());
  return Play(stream, settings, size, [&](client::Sink sink, std::function<TerminalSize()> get_size) {
    return client::MakeTtyPrinter(std::move(sink), std::move(get_size), settings, options.value("phase", "Building"), options.value("desc", ""));
  });
}

TerminalSize ParseSize(const std::string& text) {
  size_t x = text.find('x');
  return {std::atoi(text.substr(0, x).c_str()), std::atoi(text.substr(x + 1).c_str())};
}

absl::Status CheckScreen(const std::string& what, const std::string& bytes, TerminalSize size, const Json& want) {
  testing::Screen screen(size.columns, size.rows);
  screen.Feed("$ build\n" + bytes);
  if (want.contains("header")) {
    std::vector<std::string> rows = screen.ScrolledOff(), visible = screen.Rows();
    rows.insert(rows.end(), visible.begin(), visible.end());
    auto header = std::find(rows.begin(), rows.end(), want.at("header").get<std::string>());
    if (header == rows.end()) return Internal(what, ": no header ", want.at("header").get<std::string>());
    BK_RETURN_IF_ERROR(ExpectText(what + ": last line", rows.back(), want.at("last_line").get<std::string>()));
    return ExpectJson(what + ": lines", Json(rows.size()), want.at("lines_total"));
  }
  auto text = [](const Json& lines) {
    std::string joined;
    for (const Json& line : lines) joined += line.get<std::string>() + "\n";
    return joined;
  };
  BK_RETURN_IF_ERROR(ExpectText(what + ": scrolled off", text(Json(screen.ScrolledOff())), text(want.value("scrolled_off", Json::array()))));
  return ExpectText(what, text(Json(screen.Rows())), text(want.at("screen")));
}

absl::Status CheckTty(const Json& input, const Stream& stream, const std::string& size_text, const Json& want) {
  const TerminalSize size = ParseSize(size_text);
  Played played = Tty(input, stream, size);
  for (const Json& frame : want.value("frames", Json::array())) {
    int64_t at_ms = frame.at("at_ms").get<int64_t>();
    TerminalSize now = size;
    for (const Event& resize : played.resizes) {
      if (resize.at_ms <= at_ms) now = *resize.resize;
    }
    BK_RETURN_IF_ERROR(CheckScreen(StrCat("tty ", size_text, " at ", at_ms, " ms"), played.Before(at_ms), now, frame));
  }
  return CheckScreen("tty " + size_text, played.All(), size, want.at("final"));
}

absl::Status CheckQuiet(const Stream& stream, const std::string& want) {
  char* text = nullptr;
  size_t length = 0;
  std::FILE* out = open_memstream(&text, &length);
  auto display = client::MakeDisplay("quiet", out, -1);
  if (display.ok()) {
    for (const Event& event : stream.events) {
      if (event.status.has_value()) (*display)->Update(*event.status);
    }
    (*display)->Finish(absl::OkStatus());
  }
  std::fclose(out);
  std::string got(text, length);
  std::free(text);
  BK_RETURN_IF_ERROR(display.status());
  return ExpectText("quiet", got, want);
}

absl::Status CheckGeneratedPlain(const std::string& got, const Json& expect) {
  std::vector<std::string> lines;
  for (size_t at = 0, end; at < got.size() && (end = got.find('\n', at)) != std::string::npos; at = end + 1) lines.push_back(got.substr(at, end - at));
  auto lines_of = [&](size_t from, size_t count) { return Json(std::vector<std::string>(lines.begin() + static_cast<ptrdiff_t>(from), lines.begin() + static_cast<ptrdiff_t>(from + count))); };
  const Json &first = expect.at("plain_first"), &last = expect.at("plain_last");
  if (lines.size() < first.size() + last.size()) return Internal("plain: too few lines");
  BK_RETURN_IF_ERROR(ExpectJson("plain, first lines", lines_of(0, first.size()), first));
  BK_RETURN_IF_ERROR(ExpectJson("plain, last lines", lines_of(lines.size() - last.size(), last.size()), last));
  BK_RETURN_IF_ERROR(ExpectJson("plain, number of lines", Json(lines.size()), expect.at("plain_lines")));
  return ExpectText("plain, sha256", std::string(DigestOf(got).hex()), expect.at("plain_sha256").get<std::string>());
}

absl::Status CheckPlain(const std::string& got, const Json& expect) {
  if (expect.contains("plain")) BK_RETURN_IF_ERROR(ExpectText("plain", got, expect.at("plain").get<std::string>()));
  if (expect.contains("plain_base64")) BK_RETURN_IF_ERROR(ExpectText("plain", got, Decoded(expect, "plain_base64")));
  if (expect.contains("plain_sha256")) BK_RETURN_IF_ERROR(CheckGeneratedPlain(got, expect));
  if (!expect.contains("plain_any")) return absl::OkStatus();
  for (const Json& want : expect.at("plain_any")) {
    if (want == got) return absl::OkStatus();
  }
  return ExpectText("plain, none of those that may be", got, expect.at("plain_any").at(0).get<std::string>());
}

}  // namespace

absl::Status RunProgress(const Json& c, const std::string&) {
  const Json &input = c.at("input"), &expect = c.at("expect");
  Stream stream = ReadStream(input);
  BK_RETURN_IF_ERROR(CheckPlain(Plain(input, stream), expect));
  if (expect.contains("quiet")) BK_RETURN_IF_ERROR(CheckQuiet(stream, expect.at("quiet").get<std::string>()));
  if (expect.contains("rawjson")) {
    std::string got;
    for (const Event& event : stream.events) got += client::StatusJson(*event.status) + "\n";
    BK_RETURN_IF_ERROR(ExpectText("rawjson", got, expect.at("rawjson").get<std::string>()));
  }
  const Json screens = expect.value("tty", Json::object());
  for (const auto& [size, want] : screens.items()) BK_RETURN_IF_ERROR(CheckTty(input, stream, size, want));
  if (!expect.contains("tty_bytes")) return absl::OkStatus();
  const Json& want = expect.at("tty_bytes");
  Played played = Tty(input, stream, ParseSize(want.at("size").get<std::string>()));
  return ExpectText("tty bytes", played.All(), want.contains("text") ? want.at("text").get<std::string>() : Decoded(want, "base64"));
}

}  // namespace bk::golden::text
