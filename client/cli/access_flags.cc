#include "client/cli/access_flags.h"

#include "base/go_parse.h"
#include "base/split.h"
#include "base/unicode.h"

namespace bk::client {
namespace {

constexpr std::string_view kRaw = "raw=";

struct TlsEntry {
  std::string host, ca, certificate, key;
  bool insecure = false;
};

absl::StatusOr<TlsEntry> ParseTlsEntry(const std::string& text) {
  BK_TRY(auto fields, ParseCsvLine(text));
  TlsEntry entry;
  for (const std::string& field : fields) {
    size_t equals = field.find('=');
    if (equals == std::string::npos) return InvalidArgument("invalid value ", field);
    std::string key = ToLower(field.substr(0, equals)), value = field.substr(equals + 1);
    if (key == "host") entry.host = value;
    if (key == "ca") entry.ca = value;
    if (key == "cert") entry.certificate = value;
    if (key == "key") entry.key = value;
    if (key == "insecure") entry.insecure = ParseBool(value).value_or(false);
  }
  constexpr char kFlag[] = "--registry-auth-tlscontext";
  if (entry.host.empty()) return InvalidArgument(kFlag, " requires host=<host>");
  bool pair = !entry.certificate.empty() && !entry.key.empty();
  if (entry.ca.empty()) {
    if (!entry.insecure && !pair) return InvalidArgument(kFlag, " requires ca=<ca> or cert=<cert>,key=<key> or insecure=true");
  } else if (entry.certificate.empty() != entry.key.empty()) {
    return InvalidArgument(kFlag, " requires cert=<cert>,key=<key>");
  }
  return entry;
}

}  // namespace

absl::StatusOr<SshAgent> ParseSsh(const std::string& text) {
  SshAgent agent;
  size_t equals = text.find('=');
  agent.id = text.substr(0, equals);
  if (equals == std::string::npos) return agent;
  agent.paths.emplace();
  for (std::string_view path : Split(std::string_view(text).substr(equals + 1), ',')) {
    if (!path.starts_with(kRaw)) {
      agent.paths->emplace_back(path);
      continue;
    }
    std::string_view value = path.substr(kRaw.size());
    auto raw = ParseBool(value);
    if (!raw.ok()) return Annotate(raw.status(), StrCat("invalid value for 'raw': ", value));
    agent.raw = *raw;
  }
  if (agent.raw && agent.paths->size() != 1) return InvalidArgument("raw mode must supply exactly one socket path for ", Quote(agent.id));
  return agent;
}

absl::StatusOr<std::map<std::string, TlsOptions>> ParseRegistryTls(const std::vector<std::string>& texts) {
  std::map<std::string, TlsOptions> hosts;
  for (const std::string& text : texts) {
    BK_TRY(TlsEntry entry, ParseTlsEntry(text));
    TlsOptions& host = hosts[entry.host];
    host.insecure = host.insecure || entry.insecure;
    if (!entry.ca.empty()) host.ca_files.push_back(entry.ca);
    if (!entry.certificate.empty() && !entry.key.empty()) host.key_pairs.push_back({entry.key, entry.certificate});
  }
  return hosts;
}

}  // namespace bk::client
