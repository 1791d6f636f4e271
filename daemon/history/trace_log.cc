#include "daemon/history/trace_log.h"

#include <cstdio>
#include <ctime>
#include <map>
#include <tuple>

#include "base/go_json.h"
#include "base/status.h"
#include "base/time_text.h"
#include "base/version.h"

namespace bk::history {
namespace {

namespace api = moby::buildkit::v1;
using google::protobuf::Timestamp;

constexpr int kInternal = 1, kServer = 2;  // trace.SpanKind
constexpr int kUnset = 0, kError = 1;      // codes.Code

struct Span {
  std::string name, id, parent, error;
  int kind = kInternal;
  Timestamp start, end;
  std::vector<std::pair<std::string, std::string>> attributes;
};

std::string SpanId(size_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016zx", number);
  return text;
}

std::string Time(const Timestamp& time) { return Rfc3339(time.seconds(), time.nanos(), Decimals::kNine); }

void WriteContext(GoJsonWriter& w, const char* key, const std::string& trace_id, const std::string& span_id) {
  w.Key(key);
  w.BeginObject();
  bool none = span_id.empty();
  w.Key("TraceID"), w.String(none ? std::string(32, '0') : trace_id);
  w.Key("SpanID"), w.String(none ? std::string(16, '0') : span_id);
  w.Key("TraceFlags"), w.String(none ? "00" : "01");
  w.Key("TraceState"), w.String("");
  w.Key("Remote"), w.Bool(false);
  w.EndObject();
}

void WriteAttributes(GoJsonWriter& w, const char* key, const std::vector<std::pair<std::string, std::string>>& attributes) {
  w.Key(key);
  if (attributes.empty()) return w.Null();
  w.BeginArray();
  for (const auto& [name, value] : attributes) {
    w.BeginObject();
    w.Key("Key"), w.String(name);
    w.Key("Value");
    w.BeginObject();
    w.Key("Type"), w.String("STRING");
    w.Key("Value"), w.String(value);
    w.EndObject();
    w.EndObject();
  }
  w.EndArray();
}

std::string Text(const Span& span, const std::string& trace_id, size_t children) {
  GoJsonWriter w;
  w.BeginObject();
  w.Key("Name"), w.String(span.name);
  WriteContext(w, "SpanContext", trace_id, span.id);
  WriteContext(w, "Parent", trace_id, span.parent);
  w.Key("SpanKind"), w.Int(span.kind);
  w.Key("StartTime"), w.String(Time(span.start));
  w.Key("EndTime"), w.String(Time(span.end));
  WriteAttributes(w, "Attributes", span.attributes);
  w.Key("Events"), w.Null();
  w.Key("Links"), w.Null();
  w.Key("Status");
  w.BeginObject();
  w.Key("Code"), w.Int(span.error.empty() ? kUnset : kError);
  w.Key("Description"), w.String(span.error);
  w.EndObject();
  for (const char* dropped : {"DroppedAttributes", "DroppedEvents", "DroppedLinks"}) w.Key(dropped), w.Int(0);
  w.Key("ChildSpanCount"), w.Int(static_cast<int64_t>(children));
  WriteAttributes(w, "Resource", {{"service.name", "buildkitd"}, {"service.version", kVersion}});
  w.Key("InstrumentationLibrary");
  w.BeginObject();
  w.Key("Name"), w.String(kPackage);
  w.Key("Version"), w.String("");
  w.Key("SchemaURL"), w.String("");
  w.Key("Attributes"), w.Null();
  w.EndObject();
  w.EndObject();
  return GoJsonIndent(w.text(), "  ") + "\n";
}

using StepRuns = std::vector<const api::Vertex*>;

// A step is told several times; what it started at tells its runs apart. The last word on each counts.
StepRuns RunsOf(const std::vector<api::StatusResponse>& said) {
  std::map<std::tuple<std::string_view, int64_t, int32_t>, size_t> places;
  StepRuns runs;
  for (const api::StatusResponse& response : said) {
    for (const api::Vertex& vertex : response.vertexes()) {
      if (!vertex.has_started() || !vertex.has_completed()) continue;
      auto [place, fresh] = places.try_emplace({vertex.digest(), vertex.started().seconds(), vertex.started().nanos()}, runs.size());
      if (fresh) runs.emplace_back();
      runs[place->second] = &vertex;
    }
  }
  return runs;
}

Span SpanOf(const api::Vertex& vertex, std::string id, const std::string& parent) {
  Span span{vertex.name(), std::move(id), parent, vertex.error(), kInternal, vertex.started(), vertex.completed(), {{"vertex", vertex.digest()}}};
  if (vertex.cached()) span.attributes.emplace_back("cached", "true");
  return span;
}

}  // namespace

absl::Status WriteTrace(const api::BuildHistoryRecord& record, const std::vector<api::StatusResponse>& said, const std::string& trace_id, const std::function<absl::Status(std::string_view)>& write) {
  Span build{"moby.buildkit.v1.Control/Solve", SpanId(1), "", record.error().message(), kServer, record.createdat(), record.completedat(), {{"ref", record.ref()}}};
  StepRuns runs = RunsOf(said);
  for (size_t i = 0; i < runs.size(); i++) BK_RETURN_IF_ERROR(write(Text(SpanOf(*runs[i], SpanId(i + 2), build.id), trace_id, 0)));
  return write(Text(build, trace_id, runs.size()));
}

}  // namespace bk::history
