#include "daemon/control/history.h"

#include <doctest/doctest.h>

#include <thread>

using namespace bk;
using namespace bk::control;

namespace {

void Run(History& history, const std::string& ref) {
  api::SolveRequest request;
  request.set_ref(ref);
  history.Started(request);
  history.Completed(ref, absl::OkStatus(), {{{"k", "v"}}, {{1, {"type/one", DigestOf("one"), 3, {}, {}, ""}}, {2, {"type/two", DigestOf("two"), 3, {}, {}, ""}}}});
}

std::vector<api::BuildHistoryEvent> Ask(History& history, api::BuildHistoryRequest request) {
  request.set_earlyexit(true);
  std::vector<api::BuildHistoryEvent> events;
  CHECK(history.Listen(CancelToken(), request, [&](const api::BuildHistoryEvent& e) {
                 events.push_back(e);
                 return absl::OkStatus();
               }).ok());
  return events;
}

}  // namespace

TEST_CASE("a finished build is told with its response; an unknown one with nothing") {
  History history;
  Run(history, "a");
  api::BuildHistoryRequest request;
  request.set_ref("a");
  auto events = Ask(history, request);
  REQUIRE(events.size() == 1);
  CHECK(events[0].type() == api::COMPLETE);
  CHECK(events[0].record().exporterresponse().at("k") == "v");
  CHECK(events[0].record().result().results().at(2).media_type() == "type/two");
  CHECK(events[0].record().result().resultdeprecated().digest() == DigestOf("one").str());
  request.set_ref("buildx-test-history-api-feature");
  request.set_activeonly(true);
  CHECK(Ask(history, request).empty());
}

TEST_CASE("only the newest records are kept, and limits take the newest") {
  History history;
  for (int i = 0; i < 80; i++) Run(history, std::to_string(i));
  CHECK(Ask(history, {}).size() == 50);
  api::BuildHistoryRequest request;
  request.set_limit(1);
  auto events = Ask(history, request);
  REQUIRE(events.size() == 1);
  CHECK(events[0].record().ref() == "79");
}

TEST_CASE("deleting and pinning") {
  History history;
  Run(history, "a");
  CHECK(history.SetPinned("a", true).code() == absl::StatusCode::kUnimplemented);
  CHECK(history.SetPinned("a", false).ok());
  CHECK(Message(history.SetPinned("b", true)) == "failed to retrieve ref b: file does not exist");
  CHECK(history.Delete("a").ok());
  CHECK(Message(history.Delete("a")) == "lease \"ref_a\": not found");
  CHECK(Ask(history, {}).empty());
}

TEST_CASE("a listener hears what happens until it leaves") {
  History history;
  Run(history, "before");
  CancelSource leave;
  std::vector<std::string> heard;
  absl::Status ended;
  std::thread listener([&] {
    ended = history.Listen(leave.token(), {}, [&](const api::BuildHistoryEvent& e) {
      heard.push_back(StrCat(e.record().ref(), " ", static_cast<int>(e.type())));
      if (heard.size() == 1) Run(history, "after");
      if (heard.size() == 3) leave.Cancel();
      return absl::OkStatus();
    });
  });
  listener.join();
  CHECK(ended.code() == absl::StatusCode::kCancelled);
  CHECK(heard == std::vector<std::string>{"before 1", "after 0", "after 1"});
}
