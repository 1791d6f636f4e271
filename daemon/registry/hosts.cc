#include "daemon/registry/hosts.h"

#include "base/go_url.h"
#include "base/os/file.h"
#include "base/path.h"

namespace bk::registry {
namespace {

absl::StatusOr<TlsOptions> TlsOf(const HostConfig& config) {
  TlsOptions tls;
  tls.insecure = config.insecure.value_or(false);
  tls.ca_files = config.ca_files;
  auto pairs = config.key_pairs;
  for (const std::string& dir : config.tls_dirs) {
    auto names = os::ListDir(dir);
    if (absl::IsNotFound(names.status()) || absl::IsPermissionDenied(names.status())) continue;
    BK_RETURN_IF_ERROR(names);
    for (const std::string& name : *names) {
      std::string path = JoinPath(dir, name);
      if (name.ends_with(".crt")) tls.ca_files.push_back(path);
      if (name.ends_with(".cert")) pairs.emplace_back(path.substr(0, path.size() - 5) + ".key", path);
    }
  }
  if (!pairs.empty()) {
    tls.key_file = pairs[0].first;
    tls.cert_file = pairs[0].second;
  }
  return tls;
}

absl::StatusOr<Endpoint> MakeEndpoint(const HostConfigs& configs, const std::string& config_host, std::string host, std::string path) {
  Endpoint endpoint{"https", std::move(host), std::move(path)};
  auto found = configs.find(config_host);
  HostConfig config = found == configs.end() ? HostConfig() : found->second;
  BK_ASSIGN(endpoint.tls, TlsOf(config));
  bool http = config.http.value_or(IsLocalhost(endpoint.host));
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

absl::StatusOr<std::vector<Endpoint>> EndpointsOf(const HostConfigs& configs, const std::string& domain) {
  std::vector<Endpoint> out;
  if (auto found = configs.find(domain); found != configs.end()) {
    for (std::string mirror : found->second.mirrors) {
      if (size_t scheme = mirror.find("://"); scheme != std::string::npos) mirror = mirror.substr(scheme + 3);
      size_t slash = std::min(mirror.find('/'), mirror.size());
      std::string host = mirror.substr(0, slash);
      BK_TRY(Endpoint endpoint, MakeEndpoint(configs, host, host, JoinPath("/v2", std::string_view(mirror).substr(slash))));
      endpoint.mirror = true;
      out.push_back(std::move(endpoint));
    }
  }
  BK_TRY(Endpoint own, MakeEndpoint(configs, domain, domain == "docker.io" ? "registry-1.docker.io" : domain, "/v2"));
  out.push_back(std::move(own));
  return out;
}

}  // namespace bk::registry
