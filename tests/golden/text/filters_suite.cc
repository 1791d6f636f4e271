// Filters of cache records, workers and builds: what they match, and how they are refused.
#include <google/protobuf/util/time_util.h>

#include "base/filter.h"
#include "daemon/control/history_filter.h"
#include "daemon/solver/progress.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {

using moby::buildkit::v1::BuildHistoryEvent;

std::map<std::string, Json> g_objects;  // of the lines that are no cases, by their name

std::vector<std::string> Strings(const Json& list) { return list.is_array() ? list.get<std::vector<std::string>>() : std::vector<std::string>(); }

BuildHistoryEvent EventOf(const Json& object) {
  BuildHistoryEvent event;
  const Json& record = object.at("record");
  if (record.is_null()) return event;
  auto* to = event.mutable_record();
  to->set_ref(record.value("ref", ""));
  auto set_time = [&](const char* key, google::protobuf::Timestamp* time) { google::protobuf::util::TimeUtil::FromString(record.at(key).get<std::string>(), time); };
  if (record.contains("created_at")) set_time("created_at", to->mutable_createdat());
  if (record.contains("completed_at")) set_time("completed_at", to->mutable_completedat());
  if (record.contains("error")) to->mutable_error()->set_message(record.at("error").get<std::string>());
  if (record.contains("frontend_attrs") && record.at("frontend_attrs").is_object()) {
    for (const auto& [key, value] : record.at("frontend_attrs").items()) (*to->mutable_frontendattrs())[key] = value.get<std::string>();
  }
  return event;
}

absl::StatusOr<Json> MatchedBuilds(const Json& objects, const std::vector<std::string>& filters, int32_t limit) {
  std::vector<BuildHistoryEvent> events;
  for (const Json& object : objects) events.push_back(EventOf(object));
  BK_ASSIGN(events, control::FilterHistory(std::move(events), filters, limit, solver::NowNs()));
  Json ids = Json::array();
  for (const BuildHistoryEvent& event : events) ids.push_back(event.record().ref());
  return ids;
}

FilterFields FieldsOf(const std::string& kind, const Json& object) {
  std::string id = object.at("id").get<std::string>();
  if (kind == "worker") return WorkerFields(id, object.at("labels").get<std::map<std::string, std::string>>());
  return UsageFields(id, object.value("description", ""), object.value("recordType", ""), Strings(object.value("parents", Json())), object.value("mutable", false),
                     object.value("inUse", false), object.value("shared", false));
}

absl::StatusOr<Json> Matched(const std::string& kind, const Json& objects, const std::vector<std::string>& filters) {
  BK_TRY(Filter filter, Filter::Parse(filters));
  Json ids = Json::array();
  for (const Json& object : objects) {
    if (filter.Matches(FieldsOf(kind, object))) ids.push_back(object.at("id"));
  }
  return ids;
}

}  // namespace

bool IsFiltersCase(const Json& line) { return line.contains("expect"); }

void NoteFilterObjects(const Json& line) {
  constexpr std::string_view kPrefix = "objects-";
  std::string name = line.at("name").get<std::string>();
  if (name.starts_with(kPrefix)) g_objects[name.substr(kPrefix.size())] = line.at("input").at("objects");
}

absl::Status RunFilters(const Json& c, const std::string&) {
  const Json &input = c.at("input"), &expect = c.at("expect");
  const std::string kind = input.at("kind").get<std::string>();
  const Json& objects = input.at("objects").is_string() ? g_objects[input.at("objects").get<std::string>()] : input.at("objects");
  std::vector<std::string> filters = Strings(input.at("filters"));
  auto got = kind == "history" ? MatchedBuilds(objects, filters, input.at("limit").get<int32_t>()) : Matched(kind, objects, filters);
  if (expect.contains("matched")) return got.ok() ? ExpectJson("matched", *got, expect.at("matched")) : got.status();
  BK_RETURN_IF_ERROR(ExpectText("error", Message(got.status()), expect.at("error").get<std::string>()));
  for (const auto& [key, whose] : {std::pair("du_error", "diskusage"), std::pair("prune_error", "prune")}) {
    if (expect.contains(key)) BK_RETURN_IF_ERROR(ExpectText(key, Message(Filter::Parse(filters, whose).status()), expect.at(key).get<std::string>()));
  }
  return absl::OkStatus();
}

}  // namespace bk::golden::text
