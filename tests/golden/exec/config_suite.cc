#include <algorithm>  // exec/config: DMN-071, INF-021

#include "daemon/config/apply.h"
#include "daemon/config/config.h"
#include "daemon/config/toml_file.h"
#include "tests/golden/exec/suites.h"

namespace bk::golden::exec {
namespace {

Json Size(const config::DiskSpace& space) {
  Json out = Json::object();
  if (space.bytes != 0) out["bytes"] = space.bytes;
  if (space.percent != 0) out["percent"] = space.percent;
  return out;
}

Json Shown(const config::Table& table);

Json Shown(const config::Value& value) {
  return std::visit(
      [](const auto& v) -> Json {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, config::DiskSpace>) {
          return Size(v);
        } else if constexpr (std::is_same_v<T, config::Nanoseconds>) {
          return v.ns;
        } else if constexpr (std::is_same_v<T, config::Json>) {
          return Json::parse(v.text);
        } else if constexpr (std::is_same_v<T, config::Table>) {
          return Shown(v);
        } else if constexpr (std::is_same_v<T, std::vector<config::Table>>) {
          Json out = Json::array();
          for (const config::Table& inner : v) out.push_back(Shown(inner));
          return out;
        } else {
          return v;
        }
      },
      value.data);
}

Json Shown(const config::Table& table) {
  Json out = Json::object();
  for (const auto& [key, value] : table) out[key] = Shown(value);
  return out;
}

std::string FileText(const Json& input) {
  if (!input.contains("toml_bytes")) return Text(input["toml"]);
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (char c : input["toml_bytes"].get<std::string>()) {
    size_t at = std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").find(c);
    if (at == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(at);
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8));
  }
  return out;
}

// Only what the reference says of its own is compared, not the words of its TOML library.
absl::Status CheckError(const absl::Status& status, const std::string& want) {
  if (status.ok()) return Internal("want an error: ", want);
  for (const char* own : {"invalid duration ", "invalid disk space "}) {
    size_t at = want.find(own);
    if (at != std::string::npos && !Message(status).ends_with(want.substr(at))) return ExpectText("error", Message(status), want.substr(at));
  }
  if (Message(status).find("line ") == std::string::npos) return Internal("no place in the error: ", Message(status));
  return absl::OkStatus();
}

absl::Status CheckPolicies(const Json& c, const config::TomlFile& file) {
  config::Config settings;
  BK_RETURN_IF_ERROR(config::ApplyFile(file.table, settings));
  auto policies = config::EffectivePolicies(settings.oci, c["input"]["disk_total_bytes"], c["input"]["disk_free_bytes"]);
  Json got = settings.oci.gc ? Json::array() : Json();
  for (const config::GcPolicy& policy : policies) {
    got.push_back({{"all", policy.all},
                   {"filters", policy.filters},
                   {"keep_duration_ns", policy.keep_duration_ns},
                   {"max_used_bytes", policy.max_used_bytes},
                   {"min_free_bytes", policy.min_free_bytes},
                   {"reserved_bytes", policy.reserved_bytes}});
  }
  return ExpectJson("policies", got, c["expect"]["policies"]);
}

}  // namespace

absl::Status RunConfig(const Json& c, const std::string&) {
  auto file = config::ReadToml(FileText(c["input"]));
  if (c["expect"].contains("error")) return CheckError(file.status(), c["expect"]["error"]);
  BK_RETURN_IF_ERROR(file);
  if (c["kind"] == "gc") return CheckPolicies(c, *file);
  return ExpectJson("config", Shown(file->table), c["expect"]["config"]);
}

}  // namespace bk::golden::exec
