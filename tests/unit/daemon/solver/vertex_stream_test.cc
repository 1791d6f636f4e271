#include <doctest/doctest.h>

#include "daemon/solver/vertex_stream.h"
#include "tests/unit/support/solver_fakes.h"

namespace bk::solver {
namespace {

VertexEvent Event(const std::string& name, std::vector<std::string> inputs, int64_t started, int64_t completed, bool cached = false) {
  VertexEvent event{DigestOf(name), {}, name, cached, started, completed, "", {}};
  for (const std::string& input : inputs) event.inputs.push_back(DigestOf(input));
  return event;
}

TEST_CASE("inputs that said nothing are shown as cached when a step starts, lower ones first") {
  std::vector<std::string> order;
  struct Sink : fakes::SeenSink {
    explicit Sink(std::vector<std::string>& o) : order(o) {}
    void Vertex(const VertexEvent& event) override {
      if (event.started_ns != 0) order.push_back(event.name);
      SeenSink::Vertex(event);
    }
    std::vector<std::string>& order;
  } sink(order);
  VertexStream stream(sink);
  stream.Vertex(Event("c", {"b"}, 0, 0));
  stream.Vertex(Event("b", {"a"}, 0, 0));
  stream.Vertex(Event("a", {}, 0, 0));
  stream.Vertex(Event("c", {"b"}, 7, 0, true));
  stream.Vertex(Event("c", {"b"}, 7, 8, true));
  CHECK(order == std::vector<std::string>{"a", "b", "c", "c"});
  auto b = sink.Of("b");
  REQUIRE(b.size() == 2);
  CHECK(b[1].cached);
  CHECK(b[1].started_ns == 7);
  CHECK(b[1].completed_ns == 7);
}

TEST_CASE("an input that completed by itself is not shown as cached") {
  fakes::SeenSink sink;
  VertexStream stream(sink);
  stream.Vertex(Event("b", {"a"}, 0, 0));
  stream.Vertex(Event("a", {}, 1, 2));
  stream.Vertex(Event("b", {"a"}, 3, 0));
  CHECK(sink.Of("a").size() == 1);
}

TEST_CASE("what is still running when the build ends is told as cancelled") {
  fakes::SeenSink sink;
  VertexStream stream(sink);
  stream.Vertex(Event("a", {}, 1, 0));
  stream.Vertex(Event("b", {"a"}, 0, 0));
  stream.Finish();
  auto a = sink.Of("a");
  REQUIRE(a.size() == 2);
  CHECK(a[1].error == "context canceled");
  CHECK(a[1].completed_ns != 0);
  CHECK(sink.Of("b").size() == 1);
}

}  // namespace
}  // namespace bk::solver
