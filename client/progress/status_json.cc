#include "client/progress/status_json.h"

#include "base/go_json.h"
#include "base/status.h"
#include "client/progress/time_text.h"
#include "proto/llb/go_json_of.h"

namespace bk::client {
namespace {

using google::protobuf::Timestamp;

class Line : public GoJsonWriter {
 public:
  void Text(std::string_view key, const std::string& value) {
    if (value.empty()) return;
    Key(key);
    String(value);
  }
  void Number(std::string_view key, int64_t value) {
    if (value == 0) return;
    Key(key);
    Int(value);
  }
  void Time(std::string_view key, bool present, const Timestamp& time) {
    if (!present) return;
    Key(key);
    String(JsonTimeText(time));
  }
  void Blob(std::string_view key, const std::string& bytes) {
    if (bytes.empty()) return;
    Key(key);
    Bytes(bytes);
  }
};

void Write(Line& w, const moby::buildkit::v1::Vertex& v) {
  w.BeginObject();
  w.Text("digest", v.digest());
  if (v.inputs_size() > 0) {
    w.Key("inputs");
    w.BeginArray();
    for (const std::string& input : v.inputs()) w.String(input);
    w.EndArray();
  }
  w.Text("name", v.name());
  w.Time("started", v.has_started(), v.started());
  w.Time("completed", v.has_completed(), v.completed());
  if (v.cached()) {
    w.Key("cached");
    w.Bool(true);
  }
  w.Text("error", v.error());
  if (v.has_progressgroup()) {
    w.Key("progressGroup");
    w.BeginObject();
    w.Text("id", v.progressgroup().id());
    w.Text("name", v.progressgroup().name());
    if (v.progressgroup().weak()) {
      w.Key("weak");
      w.Bool(true);
    }
    w.EndObject();
  }
  w.EndObject();
}

void Write(Line& w, const moby::buildkit::v1::VertexStatus& s) {
  w.BeginObject();
  w.Key("id");
  w.String(s.id());
  w.Text("vertex", s.vertex());
  w.Text("name", s.name());
  w.Number("total", s.total());
  w.Key("current");
  w.Int(s.current());
  w.Time("timestamp", true, s.timestamp());
  w.Time("started", s.has_started(), s.started());
  w.Time("completed", s.has_completed(), s.completed());
  w.EndObject();
}

void Write(Line& w, const moby::buildkit::v1::VertexLog& l) {
  w.BeginObject();
  w.Text("vertex", l.vertex());
  w.Number("stream", l.stream());
  w.Key("data");
  if (l.msg().empty()) {
    w.Null();
  } else {
    w.Bytes(l.msg());
  }
  w.Time("timestamp", true, l.timestamp());
  w.EndObject();
}

void WritePosition(Line& w, std::string_view key, const pb::Position& p) {
  w.Key(key);
  w.BeginObject();
  w.Number("line", p.line());
  w.Number("character", p.character());
  w.EndObject();
}

void Write(Line& w, const moby::buildkit::v1::VertexWarning& v) {
  w.BeginObject();
  w.Text("vertex", v.vertex());
  w.Number("level", v.level());
  w.Blob("short", v.short_());
  if (v.detail_size() > 0) {
    w.Key("detail");
    w.BeginArray();
    for (const std::string& line : v.detail()) w.Bytes(line);
    w.EndArray();
  }
  w.Text("url", v.url());
  if (v.has_info()) {
    w.Key("sourceInfo");
    w.BeginObject();
    w.Text("filename", v.info().filename());
    w.Blob("data", v.info().data());
    if (v.info().has_definition()) {
      w.Key("definition");
      w.Raw(llb::GoJsonOf(v.info().definition()));
    }
    w.Text("language", v.info().language());
    w.EndObject();
  }
  if (v.ranges_size() > 0) {
    w.Key("range");
    w.BeginArray();
    for (const pb::Range& range : v.ranges()) {
      w.BeginObject();
      if (range.has_start()) WritePosition(w, "start", range.start());
      if (range.has_end()) WritePosition(w, "end", range.end());
      w.EndObject();
    }
    w.EndArray();
  }
  w.EndObject();
}

template <typename List>
void WriteAll(Line& w, std::string_view key, const List& list) {
  if (list.empty()) return;
  w.Key(key);
  w.BeginArray();
  for (const auto& item : list) Write(w, item);
  w.EndArray();
}

}  // namespace

std::string StatusJson(const moby::buildkit::v1::StatusResponse& status) {
  Line w;
  w.BeginObject();
  WriteAll(w, "vertexes", status.vertexes());
  WriteAll(w, "statuses", status.statuses());
  WriteAll(w, "logs", status.logs());
  WriteAll(w, "warnings", status.warnings());
  w.EndObject();
  return w.Take();
}

}  // namespace bk::client
