// The parsers of single flag values. [INF-022]
#include "base/go_parse.h"
#include "client/cli/access_flags.h"
#include "client/cli/build_flags.h"
#include "client/solve/export_targets.h"
#include "daemon/remotecache/store_config.h"
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

template <typename List>
Json ListOrNull(const List& list) {
  return list.empty() ? Json() : Json(list);
}

Json ShowSsh(const client::SshAgent& agent) { return Json::array({{{"ID", agent.id}, {"Paths", agent.paths.has_value() ? Json(*agent.paths) : Json()}, {"Raw", agent.raw}}}); }
Json ShowTls(const std::map<std::string, TlsOptions>& hosts) {
  Json out = Json::object();
  for (const auto& [host, tls] : hosts) {
    Json pairs = Json::array();
    for (const auto& pair : tls.key_pairs) pairs.push_back({{"Certificate", pair.cert_file}, {"Key", pair.key_file}});
    out[host] = {{"Insecure", tls.insecure}, {"KeyPairs", ListOrNull(pairs)}, {"RootCAs", ListOrNull(tls.ca_files)}};
  }
  return out;
}

Json ShowS3(const remotecache::S3Config& c) {
  return {{"AccessKeyID", c.access_key_id},
          {"BlobsPrefix", c.blobs_prefix},
          {"Bucket", c.bucket},
          {"DisableAcceptEncoding", c.disable_accept_encoding},
          {"EndpointURL", c.endpoint_url},
          {"ManifestsPrefix", c.manifests_prefix},
          {"Names", c.names},
          {"Prefix", c.prefix},
          {"Region", c.region},
          {"RetryMaxAttempts", c.retry_max_attempts},
          {"RetryMode", c.retry_mode},
          {"SecretAccessKey", c.secret_access_key},
          {"SessionToken", c.session_token},
          {"TouchRefresh", c.touch_refresh_ns},
          {"UploadParallelism", c.upload_parallelism},
          {"UsePathStyle", c.use_path_style}};
}
Json ShowAzblob(const remotecache::AzblobConfig& c) {
  return {{"AccountName", c.account_name}, {"AccountURL", c.account_url}, {"BlobsPrefix", c.blobs_prefix}, {"Container", c.container},
          {"ManifestsPrefix", c.manifests_prefix}, {"Names", c.names}, {"Prefix", c.prefix}};
}
Json ShowGha(const remotecache::GhaConfig& c) {
  return {{"GHToken", c.github_token}, {"Repository", c.repository}, {"Scope", c.scope}, {"TimeoutNs", c.timeout_ns},
          {"Token", c.token}, {"URL", c.url}, {"Version", c.version}};
}

// What the daemon reads of a cache in an object store.
Json Store(const std::string& kind, const Json& input) {
  auto attributes = input.at("attrs").get<remotecache::Attributes>();
  const Json variables = input.value("daemon_env", Json());
  remotecache::Environment environment = [&](const char* name) {
    return variables.contains(name) ? std::optional(variables.at(name).get<std::string>()) : std::nullopt;
  };
  if (kind == "s3") return Value(remotecache::ParseS3(attributes, environment), &ShowS3);
  if (kind == "azblob") return Value(remotecache::ParseAzblob(attributes, environment), &ShowAzblob);
  return Value(remotecache::ParseGha(attributes), &ShowGha);
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
  } else if (kind == "ssh") {
    got = Value(client::ParseSsh(text), &ShowSsh);
  } else if (kind == "tlscontext") {
    got = Value(client::ParseRegistryTls(input.at("values").get<std::vector<std::string>>()), &ShowTls);
  } else if (kind == "s3" || kind == "azblob" || kind == "gha") {
    got = Store(kind, input);
  } else {
    return Unimplemented("no parser of ", kind);
  }
  return ExpectJson("value", got, c.at("expect"));
}

}  // namespace bk::golden::text
