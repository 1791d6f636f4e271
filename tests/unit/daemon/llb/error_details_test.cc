#include "daemon/llb/error_details.h"

#include <doctest/doctest.h>

#include "daemon/llb/load/vertex_load.h"

using namespace bk;
using namespace bk::llb;

TEST_CASE("clients see UNKNOWN unless the code says something to them") {
  auto code = [](const absl::Status& status) { return ForClients(status).code(); };
  CHECK(code(NotFound("no such file")) == absl::StatusCode::kUnknown);
  CHECK(code(InvalidArgument("bad")) == absl::StatusCode::kUnknown);
  CHECK(code(Unavailable("connection refused")) == absl::StatusCode::kUnknown);
  CHECK(code(Cancelled("context canceled")) == absl::StatusCode::kCancelled);
  CHECK(code(Unimplemented("git is not built yet")) == absl::StatusCode::kUnimplemented);
  CHECK(code(NotFound("rpc error: code = NotFound desc = no access allowed to dir \"x\"")) == absl::StatusCode::kNotFound);
  CHECK(code(NotFound("no active session for x: context deadline exceeded")) == absl::StatusCode::kDeadlineExceeded);
  CHECK(code(AlreadyExists("declined")) == absl::StatusCode::kAlreadyExists);
  CHECK(ForClients(absl::OkStatus()).ok());
}

TEST_CASE("details survive the change of the code") {
  absl::Status status = NotFound("x");
  AddDetail(status, {"a", "1"});
  AddDetail(status, {"b", "2"});
  CHECK(Details(ForClients(status)) == std::vector<ErrorDetail>{{"a", "1"}, {"b", "2"}});
}

TEST_CASE("messages as Go writes them: names of the contract, bytes as base64, maps sorted") {
  pb::Definition definition;
  definition.add_def("ab");
  (*definition.mutable_metadata())["y"].set_ignore_cache(true);
  (*definition.mutable_metadata())["x"];
  definition.mutable_source()->add_infos()->set_filename("<f>");
  CHECK(GoJsonOf(definition) == R"({"def":["YWI="],"metadata":{"x":{},"y":{"ignore_cache":true}},"Source":{"infos":[{"filename":"\u003cf\u003e"}]}})");
}

TEST_CASE("a source that is too long for a trailer is left out, its place is not") {
  LoadedDefinition loaded;
  pb::Definition definition;
  definition.mutable_source()->add_infos()->set_data(std::string(1 << 20, 'x'));
  (*definition.mutable_source()->mutable_locations())["sha256:a"].add_locations()->add_ranges()->mutable_start()->set_line(2);
  absl::Status status = Unknown("x");
  AddDetail(status, {"errdefs.Vertex", R"({"digest":"sha256:a"})"});
  auto details = Details(WithSources(status, definition, loaded));
  REQUIRE(details.size() == 2);
  CHECK(details[1].json == R"({"info":{},"ranges":[{"start":{"line":2}}]})");
}

TEST_CASE("a detail that is no JSON names no vertex") {
  absl::Status status = Unknown("x");
  AddDetail(status, {"errdefs.Vertex", "nonsense"});
  CHECK(FailedVertex(status).empty());
  CHECK(Details(WithSolve(status, nullptr))[1].json == "{}");
}
