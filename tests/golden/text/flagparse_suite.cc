// The parsers of single flag values.
#include "base/go_parse.h"
#include "client/cli/build_flags.h"
#include "client/solve/export_targets.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {

template <typename T>
Json Value(const absl::StatusOr<T>& parsed, Json (*show)(const T&)) {
  return parsed.ok() ? Json{{"value", show(*parsed)}} : Json{{"error", Message(parsed.status())}};
}

Json ShowFields(const std::vector<std::string>& fields) { return fields; }
Json ShowSecret(const client::SecretSource& s) { return {{"Env", s.env}, {"FilePath", s.file_path}, {"ID", s.id}}; }
Json ShowMode(const client::LocalMode& mode) { return mode == client::LocalMode::kDelete ? "delete" : "copy"; }
Json ShowEntitlement(const client::Entitlement& e) {
  Json out = {{"entitlement", e.name}};
  if (e.name != "device") return out;
  out["all_devices"] = e.all_devices;
  out["devices"] = e.devices.empty() ? Json() : Json(e.devices);
  return out;
}

}  // namespace

absl::Status RunFlagParse(const Json& c, const std::string&) {
  const Json& input = c.at("input");
  std::string kind = input.at("kind"), text = input.contains("text") ? Text(input.at("text")) : "";
  Json got;
  if (kind == "csv") {
    got = Value(ParseCsvLine(text), &ShowFields);
  } else if (kind == "secret") {
    got = Value(client::ParseSecret(text), &ShowSecret);
  } else if (kind == "allow") {
    got = Value(client::ParseEntitlement(text), &ShowEntitlement);
  } else if (kind == "local_exporter_mode") {
    got = Value(client::ParseLocalMode(text), &ShowMode);
  } else {
    return Unimplemented("no parser of ", kind);
  }
  return ExpectJson("value", got, c.at("expect"));
}

}  // namespace bk::golden::text
