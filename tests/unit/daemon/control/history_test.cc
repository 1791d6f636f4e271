#include "daemon/control/history.h"

#include <doctest/doctest.h>

#include <thread>

#include "daemon/control/build_recorder.h"
#include "proto/wire/status_codec.h"
#include "tests/unit/daemon/history/records_fixture.h"

using namespace bk;
using namespace bk::control;

namespace {

using Result = std::map<int64_t, Descriptor>;

struct Fixture : history::RecordsFixture {
  History history;
  explicit Fixture(history::Limits limits = {}) : RecordsFixture(limits), history(records.get()) {}

  void Run(const std::string& ref, const absl::Status& status = absl::OkStatus(), const Result& made = {}) {
    llb::BuildRequest request;
    request.ref = ref;
    request.frontend = "f";
    request.frontend_attrs = {{"context", "https://u:p@host/"}};
    request.exporters = {{"oci", {{"name", "n"}}}};
    BuildRecorder recorder(&history, request);
    recorder.Started();
    recorder.HasResult({{"k", "v"}});
    recorder.Finish(status, made, [](solver::ProgressSink& sink) {
      sink.Vertex({DigestOf("step"), {}, "step", true, 1, 2, "", {}});
      return absl::OkStatus();
    });
  }
  std::vector<api::BuildHistoryEvent> Ask(api::BuildHistoryRequest request = {}) {
    request.set_earlyexit(true);
    std::vector<api::BuildHistoryEvent> events;
    CHECK(history.Listen(CancelToken(), request, [&](const api::BuildHistoryEvent& e) {
                   events.push_back(e);
                   return absl::OkStatus();
                 }).ok());
    return events;
  }
  std::string Told(const api::BuildHistoryRequest& request = {}) {
    std::string text;
    for (const auto& e : Ask(request)) text += Line(e);
    return text;
  }
  static std::string Line(const api::BuildHistoryEvent& e) { return StrCat(api::BuildHistoryEventType_Name(e.type()), " ", e.record().ref(), "\n"); }
};

api::BuildHistoryRequest Of(const std::string& ref) {
  api::BuildHistoryRequest request;
  request.set_ref(ref);
  return request;
}

}  // namespace

TEST_CASE("a finished build is told with what it was asked and what came of it") {  // ATT-029, RPC-019
  Fixture f;
  f.Run("a", absl::OkStatus(), {{1, {"type/one", DigestOf("one"), 3, {}, {}, ""}}, {2, {"type/two", DigestOf("two"), 3, {}, {}, ""}}});
  auto events = f.Ask(Of("a"));
  REQUIRE(events.size() == 1);
  CHECK(events[0].type() == api::COMPLETE);
  const auto& record = events[0].record();
  CHECK(record.frontend() == "f");
  CHECK(record.frontendattrs().at("context") == "https://xxxxx:xxxxx@host/");
  CHECK(record.exporters(0).attrs().at("name") == "n");
  CHECK(record.exporterresponse().at("k") == "v");
  CHECK(record.result().results().at(2).media_type() == "type/two");
  CHECK(record.result().resultdeprecated().digest() == DigestOf("one").str());
  CHECK(record.numtotalsteps() == 1);
  CHECK(record.numcachedsteps() == 1);
  CHECK(record.numcompletedsteps() == 1);
  CHECK(record.has_createdat());
  CHECK(record.has_completedat());
  CHECK_FALSE(record.has_error());
  CHECK(record.generation() == 0);
}

TEST_CASE("an error stands in the record without its details, and whole in a blob") {  // ATT-030
  Fixture f;
  absl::Status error = Unknown("broken");
  AddDetail(error, {"errdefs.Vertex", R"({"digest":"d"})"});
  f.Run("a", error);
  auto record = f.Ask()[0].record();
  CHECK(record.error().message() == "broken");
  CHECK(record.error().details_size() == 0);
  CHECK(record.externalerror().media_type() == "application/vnd.googeapis.google.rpc.status+proto");
  google::rpc::Status whole;
  REQUIRE(whole.ParseFromString(*f.store->content().Read(*Digest::Parse(record.externalerror().digest()), 1000)));
  CHECK(HasDetail(wire::FromProto(whole), "errdefs.Vertex"));
  CHECK(HasDetail(wire::FromProto(whole), "stack.Stack"));  // which daemon it was
}

TEST_CASE("a build that was refused leaves nothing") {
  Fixture f;
  BuildRecorder recorder(&f.history, {});
  recorder.Finish(InvalidArgument("no"), {}, [](solver::ProgressSink&) { return absl::OkStatus(); });
  CHECK(f.Ask().empty());
}

TEST_CASE("a build without a log is kept without it") {
  Fixture f;
  BuildRecorder recorder(&f.history, {.ref = "a"});
  recorder.Started();
  recorder.Finish(absl::OkStatus(), {}, [](solver::ProgressSink&) { return NotFound("no such job a"); });
  REQUIRE(f.Ask().size() == 1);
  CHECK_FALSE(f.Ask()[0].record().has_logs());
}

TEST_CASE("what a client made too long is left out of the record") {
  Fixture f;
  BuildRecorder recorder(&f.history, {.ref = "a", .frontend_attrs = {{"long", std::string(9 << 20, 'x')}}});
  recorder.Started();
  CHECK(f.Ask()[0].record().frontendattrs().empty());
  recorder.HasResult({{"long", std::string(9 << 20, 'x')}});
  recorder.Finish(Unknown(std::string(9 << 20, 'x')), {}, [](solver::ProgressSink&) { return absl::OkStatus(); });
  CHECK(f.Ask()[0].record().ByteSizeLong() < 1000);
}

TEST_CASE("a finished build says again what it said") {  // ATT-032, RPC-015
  Fixture f;
  f.Run("a");
  std::vector<std::string> names;
  auto say = [&](const api::StatusResponse& response) {
    for (const auto& vertex : response.vertexes()) names.push_back(vertex.name());
    return absl::OkStatus();
  };
  CHECK(f.history.Replay("a", say).ok());
  CHECK(names == std::vector<std::string>{"step"});
  CHECK(f.history.Replay("b", say).code() == absl::StatusCode::kNotFound);
}

TEST_CASE("the log keeps of each transfer how it ended") {
  Fixture f;
  BuildRecorder recorder(&f.history, {.ref = "a"});
  recorder.Started();
  recorder.Finish(absl::OkStatus(), {}, [](solver::ProgressSink& sink) {
    for (int64_t current : {1, 2, 3}) {
      sink.Status({DigestOf("step"), "transfer", "", current, 3, 1, 1, 0});
      sink.Log({DigestOf("step"), 1, std::string(1 << 20, 'x'), 1});  // a batch of its own
    }
    sink.Status({DigestOf("other"), "transfer", "", 7, 7, 1, 1, 0});
    return absl::OkStatus();
  });
  std::vector<int64_t> told;
  int logs = 0;
  CHECK(f.history.Replay("a", [&](const api::StatusResponse& response) {
                   for (const auto& status : response.statuses()) told.push_back(status.current());
                   logs += response.logs_size();
                   return absl::OkStatus();
                 }).ok());
  CHECK(told == std::vector<int64_t>{3, 7});
  CHECK(logs == 3);
}

TEST_CASE("the log keeps the last word on each run of a step") {
  Fixture f;
  BuildRecorder recorder(&f.history, {.ref = "a"});
  recorder.Started();
  recorder.Finish(absl::OkStatus(), {}, [](solver::ProgressSink& sink) {
    for (int64_t completed : {0, 2, 3}) sink.Vertex({DigestOf("step"), {}, "step", false, 1, completed, "", {}});
    for (int64_t completed : {0, 5}) sink.Vertex({DigestOf("step"), {}, "step", false, 4, completed, "", {}});
    return absl::OkStatus();
  });
  std::vector<int32_t> completed;
  CHECK(f.history.Replay("a", [&](const api::StatusResponse& response) {
                   for (const auto& vertex : response.vertexes()) completed.push_back(vertex.completed().nanos());
                   return absl::OkStatus();
                 }).ok());
  CHECK(completed == std::vector<int32_t>{3, 5});
}

TEST_CASE("running builds come first, then the others by ref; with a limit the newest") {  // ATT-034, ATT-037
  Fixture f;
  for (const char* ref : {"c", "a", "b"}) f.Run(ref);
  api::BuildHistoryRecord running;
  running.set_ref("z");
  f.history.Started(running);
  CHECK(f.Told() == "STARTED z\nCOMPLETE a\nCOMPLETE b\nCOMPLETE c\n");
  api::BuildHistoryRequest limited;
  limited.set_limit(2);
  CHECK(f.Told(limited) == "STARTED z\nCOMPLETE b\nCOMPLETE a\n");
  api::BuildHistoryRequest active = Of("");
  active.set_activeonly(true);
  CHECK(f.Told(active) == "STARTED z\n");
  CHECK(f.Told(Of("b")) == "COMPLETE b\n");
  CHECK(f.Told(Of("buildx-test-history-api-feature")).empty());
}

TEST_CASE("pinning is a new generation of the record") {  // RPC-020
  Fixture f;
  f.Run("a");
  CHECK(f.history.SetPinned("a", true).ok());
  CHECK(f.Ask()[0].record().pinned());
  CHECK(f.Ask()[0].record().generation() == 1);
  CHECK(f.history.SetPinned("a", false).ok());
  CHECK_FALSE(f.Ask()[0].record().pinned());
  CHECK(f.Ask()[0].record().generation() == 2);
  CHECK(Message(f.history.SetPinned("b", true)) == "failed to retrieve ref b: file does not exist");
}

TEST_CASE("a deleted record is gone; who asked for it by ref is told so") {
  Fixture f;
  f.Run("a");
  f.Run("b");
  CHECK(f.Told(Of("a")) == "COMPLETE a\n");
  CHECK(f.history.Delete("a").ok());
  CHECK(f.history.Delete("b").ok());
  CHECK(Message(f.history.Delete("a")) == "lease \"ref_a\": not found");
  CHECK(f.Ask().empty());
  auto ignore = [](const api::BuildHistoryEvent&) { return absl::OkStatus(); };
  CHECK(Message(f.history.Listen(CancelToken(), Of("a"), ignore)) == "ref a is deleted: file does not exist");
  CHECK(f.Told(Of("b")).empty());
  f.Run("a");  // a new build of that ref
  CHECK(f.Told(Of("a")) == "COMPLETE a\n");
}

TEST_CASE("old records expire by the limits, pinned ones stay") {  // DMN-065
  Fixture f({.max_age_ns = 0, .max_entries = 1});
  f.Run("a");
  CHECK(f.history.SetPinned("a", true).ok());  // before there are more than the limit allows: the history's own thread may look at any time
  for (const char* ref : {"b", "c"}) f.Run(ref);
  f.history.Expire(solver::NowNs() + 1);
  CHECK(f.Told() == "COMPLETE a\nCOMPLETE c\n");
}

TEST_CASE("a listener hears what happens until it leaves, whatever it asked about the past") {
  Fixture f;
  f.Run("before");
  for (bool active_only : {false, true}) {
    CancelSource leave;
    std::string heard;
    absl::Status ended;
    api::BuildHistoryRequest request;
    request.set_activeonly(active_only);
    std::thread listener([&] {
      ended = f.history.Listen(leave.token(), request, [&](const api::BuildHistoryEvent& e) {
        heard += Fixture::Line(e);
        if (heard.ends_with("COMPLETE after\nDELETED after\n")) leave.Cancel();
        return absl::OkStatus();
      });
    });
    // Heard whenever the listener comes: as what is, or as what happens.
    while (!leave.token().cancelled()) {
      f.Run("after");
      CHECK(f.history.Delete("after").ok());
    }
    listener.join();
    CHECK(ended.code() == absl::StatusCode::kCancelled);
    CHECK((heard.find("COMPLETE before") == std::string::npos) == active_only);
    CHECK(heard.find("COMPLETE after\nDELETED after\n") != std::string::npos);
  }
}

TEST_CASE("a record that is listened to goes when the listener does") {  // ATT-035
  Fixture f;
  f.Run("a");
  CancelSource leave;
  Guarded<bool> listening{false};
  std::thread listener([&] {
    f.history.Listen(leave.token(), Of("a"), [&](const api::BuildHistoryEvent&) {
      listening.Change([](bool& l) { l = true; });
      return absl::OkStatus();
    }).IgnoreError();
  });
  listening.Wait([](bool& l) { return l; });
  CHECK(f.history.Delete("a").ok());
  CHECK(f.Ask().empty());
  CHECK(f.records->Has("a"));
  leave.Cancel();
  listener.join();
  CHECK_FALSE(f.records->Has("a"));
}

TEST_CASE("listeners of a draining daemon leave with its last build") {
  Fixture f;
  api::BuildHistoryRecord running;
  running.set_ref("r");
  f.history.Started(running);
  std::string heard;
  absl::Status ended = Unknown("listens");
  std::thread listener([&] {
    ended = f.history.Listen(CancelToken(), {}, [&](const api::BuildHistoryEvent& e) {
      heard += Fixture::Line(e);
      if (e.type() == api::STARTED) {
        f.history.StartDraining();
        f.history.Completed(running);
      }
      return absl::OkStatus();
    });
  });
  listener.join();
  CHECK(ended.ok());
  CHECK(heard.starts_with("STARTED r\n"));
  CHECK(heard.find("COMPLETE r\n") != std::string::npos);
}

TEST_CASE("without a store only running builds are told") {
  History history(nullptr);
  BuildRecorder recorder(&history, {.ref = "a"});
  recorder.Started();
  recorder.Finish(absl::OkStatus(), {}, [](solver::ProgressSink&) { return absl::OkStatus(); });
  CHECK(Message(history.Delete("a")) == "lease \"ref_a\": not found");
  api::BuildHistoryRequest request;
  request.set_earlyexit(true);
  CHECK(history.Listen(CancelToken(), request, [](const api::BuildHistoryEvent&) { return Unknown("told"); }).ok());
}
