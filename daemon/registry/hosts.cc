#include "daemon/registry/hosts.h"

#include <algorithm>

#include "base/go_url.h"
#include "base/os/file.h"
#include "base/path.h"

namespace bk::registry {
namespace {

// The files of one directory in the layout that Docker and its like have: NAME.crt, NAME.cert with NAME.key.
absl::Status AddDirectory(const std::string& dir, TlsOptions& tls) {
  auto names = os::ListDir(dir);
  if (absl::IsNotFound(names.status()) || absl::IsPermissionDenied(names.status())) return absl::OkStatus();
  if (!names.ok()) return Annotate(names.status(), "read certificate directory");
  for (const std::string& name : *names) {
    std::string path = JoinPath(dir, name);
    if (name.ends_with(".crt")) tls.ca_files.push_back(path);
    if (name.ends_with(".cert")) tls.key_pairs.push_back({path.substr(0, path.size() - 5) + ".key", path});
  }
  return absl::OkStatus();
}

absl::StatusOr<TlsOptions> TlsOf(const HostConfigs& configs, const HostConfig& table, const std::string& host) {
  TlsOptions tls;
  tls.insecure = table.insecure.value_or(false);
  tls.ca_files = table.ca_files;
  for (const auto& [key, certificate] : table.key_pairs) tls.key_pairs.push_back({key, certificate});
  for (const std::string& dir : table.tls_dirs) BK_RETURN_IF_ERROR(AddDirectory(dir, tls));
  // What is no host name would lead elsewhere.
  if (host.empty() || host.front() == '.' || host.find('/') != std::string::npos) return tls;
  for (const std::string& root : configs.certificate_roots) BK_RETURN_IF_ERROR(AddDirectory(JoinPath(root, host), tls));
  return tls;
}

absl::StatusOr<Endpoint> MakeEndpoint(const HostConfigs& configs, const std::string& config_host, std::string host, std::string path, bool plain) {
  Endpoint endpoint{"https", std::move(host), std::move(path), false, false, {}};
  auto found = configs.tables.find(config_host);
  HostConfig table = found == configs.tables.end() ? HostConfig() : found->second;
  BK_ASSIGN(endpoint.tls, TlsOf(configs, table, config_host));
  bool http = table.http.value_or(plain || IsLocalhost(endpoint.host));
  if (http && endpoint.tls.insecure) {
    endpoint.http_fallback = true;
  } else if (http) {
    endpoint.scheme = "http";
  }
  return endpoint;
}

}  // namespace

bool IsLocalhost(std::string_view host) {
  GoUrl url;
  url.host = host;
  std::string name = url.hostname();
  return name == "localhost" || name == "::1" || name.starts_with("127.");
}

bool HasPort(std::string_view host) {
  GoUrl url;
  url.host = host;
  return !url.port().empty();
}

absl::StatusOr<std::vector<Endpoint>> EndpointsOf(const HostConfigs& configs, const std::string& domain) {
  std::vector<Endpoint> out;
  if (auto found = configs.tables.find(domain); found != configs.tables.end()) {
    for (std::string mirror : found->second.mirrors) {
      size_t scheme = mirror.find("://");
      bool plain = mirror.starts_with("http://");
      if (scheme != std::string::npos) mirror = mirror.substr(scheme + 3);
      size_t slash = std::min(mirror.find('/'), mirror.size());
      std::string host = mirror.substr(0, slash);
      BK_TRY(Endpoint endpoint, MakeEndpoint(configs, host, host, JoinPath("/v2", std::string_view(mirror).substr(slash)), plain));
      endpoint.mirror = true;
      out.push_back(std::move(endpoint));
    }
  }
  BK_TRY(Endpoint own, MakeEndpoint(configs, domain, domain == "docker.io" ? "registry-1.docker.io" : domain, "/v2", false));
  out.push_back(std::move(own));
  return out;
}

}  // namespace bk::registry
