#include "daemon/history/trace_log.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

using namespace bk::history;
using Json = nlohmann::json;

TEST_CASE("a span for each run of a step, below that of the build") {  // ATT-030
  moby::buildkit::v1::BuildHistoryRecord record;
  record.set_ref("r");
  record.mutable_createdat()->set_seconds(1);
  record.mutable_completedat()->set_seconds(9);
  record.mutable_error()->set_message("broken");
  std::vector<moby::buildkit::v1::StatusResponse> said(2);
  auto say = [](auto& response, const char* name, int started, int completed, const char* error) {
    auto* vertex = response.add_vertexes();
    vertex->set_digest(name);
    vertex->set_name(name);
    if (started > 0) vertex->mutable_started()->set_seconds(started);
    if (completed > 0) vertex->mutable_completed()->set_seconds(completed);
    vertex->set_error(error);
  };
  say(said[0], "a", 0, 0, "");
  say(said[0], "a", 2, 0, "");
  say(said[0], "a", 2, 3, "");
  say(said[1], "a", 2, 4, "no");  // the last word
  say(said[1], "a", 5, 6, "");    // opened once more
  say(said[1], "never ended", 5, 0, "");
  said[1].mutable_vertexes(1)->set_cached(true);
  std::string text;
  auto write = [&](std::string_view piece) { return text += piece, absl::OkStatus(); };
  REQUIRE(WriteTrace(record, said, std::string(32, 'f'), write).ok());
  std::vector<Json> spans;
  std::istringstream in(text);
  while (in >> std::ws && !in.eof()) in >> spans.emplace_back();
  REQUIRE(spans.size() == 3);
  CHECK(spans[0]["Name"] == "a");
  CHECK(spans[0]["StartTime"] == "1970-01-01T00:00:02.000000000Z");
  CHECK(spans[0]["EndTime"] == "1970-01-01T00:00:04.000000000Z");
  CHECK(spans[0]["Status"] == Json({{"Code", 1}, {"Description", "no"}}));
  CHECK(spans[1]["StartTime"] == "1970-01-01T00:00:05.000000000Z");
  CHECK(spans[1]["Attributes"][1]["Key"] == "cached");
  CHECK(spans[2]["Name"] == "moby.buildkit.v1.Control/Solve");
  CHECK(spans[2]["ChildSpanCount"] == 2);
  CHECK(spans[2]["Parent"]["SpanID"] == std::string(16, '0'));
  for (int i : {0, 1}) CHECK(spans[i]["Parent"]["SpanID"] == spans[2]["SpanContext"]["SpanID"]);
  auto full = [](std::string_view) { return bk::ResourceExhausted("full"); };
  CHECK(absl::IsResourceExhausted(WriteTrace(record, said, std::string(32, 'f'), full)));
  for (const Json& span : spans) CHECK(span["SpanContext"]["TraceID"] == std::string(32, 'f'));
}
