#include "client/solve/replay_filter.h"

#include <doctest/doctest.h>

using namespace bk::client;
using moby::buildkit::v1::StatusResponse;

namespace {

void AddLog(StatusResponse& message, const std::string& text, int64_t stream = 1) {
  auto* log = message.add_logs();
  log->set_vertex("sha256:a");
  log->set_stream(stream);
  log->set_msg(text);
}

std::string Logs(const StatusResponse& message) {
  std::string out;
  for (const auto& log : message.logs()) out += std::to_string(log.stream()) + log.msg() + ";";
  return out;
}

}  // namespace

TEST_CASE("a first stream passes as it is, what it says twice too") {
  ReplayFilter filter;
  filter.Begin();
  for (int i = 0; i < 2; i++) {
    StatusResponse message;
    message.add_vertexes()->set_digest("sha256:a");
    AddLog(message, "x\n");
    CHECK(filter.Take(message));
    CHECK(message.vertexes_size() == 1);
    CHECK(Logs(message) == "1x\n;");
  }
}

TEST_CASE("a stream that begins again adds what is new, whatever pieces its logs come in") {
  ReplayFilter filter;
  filter.Begin();
  StatusResponse before;
  before.add_vertexes()->set_digest("sha256:a");
  before.add_statuses()->set_id("s");
  before.add_warnings()->set_short_("w");
  AddLog(before, "one\ntw");
  AddLog(before, "err", 2);
  REQUIRE(filter.Take(before));

  filter.Begin();
  StatusResponse known;
  known.add_vertexes()->set_digest("sha256:a");
  known.add_statuses()->set_id("s");
  known.add_warnings()->set_short_("w");
  AddLog(known, "one\n");
  CHECK_FALSE(filter.Take(known));

  StatusResponse more;
  auto* ended = more.add_vertexes();
  ended->set_digest("sha256:a");
  ended->set_cached(true);
  AddLog(more, "two\nthree\n");
  AddLog(more, "error", 2);
  REQUIRE(filter.Take(more));
  CHECK(more.vertexes_size() == 1);
  CHECK(Logs(more) == "1o\nthree\n;2or;");

  filter.Begin();
  StatusResponse all;
  AddLog(all, "one\ntwo\nthree\nfour\n");
  REQUIRE(filter.Take(all));
  CHECK(Logs(all) == "1four\n;");
}
