// What the plain display makes of messages that come late.
#include <doctest/doctest.h>

#include <string>

#include "client/progress/printer.h"
#include "client/progress/settings.h"

using namespace bk::client;

TEST_CASE("a warning that comes when its step is over is printed, though nothing else changes") {
  std::string out;
  auto printer = MakePlainPrinter([&](std::string_view text) { out += text; }, Settings(), "");
  moby::buildkit::v1::StatusResponse step;
  auto* vertex = step.add_vertexes();
  vertex->set_digest("sha256:0");
  vertex->set_name("load");
  vertex->mutable_started()->set_seconds(1);
  vertex->mutable_completed()->set_seconds(2);
  printer->Take(step, 1'000'000'000);
  printer->Draw(1'000'000'000);
  CHECK(out.find("DONE") != std::string::npos);
  moby::buildkit::v1::StatusResponse late;
  auto* warning = late.add_warnings();
  warning->set_vertex("sha256:0");
  warning->set_short_("something is doubtful");
  printer->Take(late, 2'000'000'000);
  printer->End(2'000'000'000);
  CHECK(out.find("#1 WARN: something is doubtful\n") != std::string::npos);
}
