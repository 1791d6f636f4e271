// Where the images of a domain are served: its mirrors first, then the registry itself.
//
// Rules: the daemon's [registry."host"] tables; plain HTTP for loopback hosts unless told otherwise; docker.io is
// registry-1.docker.io; certificates also from a directory that is named like the host, below one that the daemon knows.
// Values; thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/registry/http.h"

namespace bk::registry {

// One [registry."host"] table of the daemon's configuration.
struct HostConfig {
  std::vector<std::string> mirrors;  // "[http[s]://]host[:port][/path]"
  std::optional<bool> http, insecure;
  std::vector<std::string> ca_files;
  std::vector<std::pair<std::string, std::string>> key_pairs;  // key, certificate
  std::vector<std::string> tls_dirs;                           // *.crt, *.cert with *.key
};

// All that is known of hosts.
struct HostConfigs {
  std::map<std::string, HostConfig> tables;  // by host, with its port if it has one
  std::vector<std::string> certificate_roots;  // DIR of DIR/HOST/*.crt, *.cert, *.key
  HostConfig& operator[](const std::string& host) { return tables[host]; }
};

struct Endpoint {
  std::string scheme, host, path;  // "https", "registry-1.docker.io", "/v2"
  bool mirror = false;             // no pushes; gets ?ns=DOMAIN
  bool http_fallback = false;      // insecure: try plain HTTP when TLS cannot be spoken
  TlsOptions tls;
  std::string base() const { return scheme + "://" + host + path; }
};

// Errors of unreadable certificate directories.
absl::StatusOr<std::vector<Endpoint>> EndpointsOf(const HostConfigs& configs, const std::string& domain);
bool IsLocalhost(std::string_view host);  // with or without port
bool HasPort(std::string_view host);

}  // namespace bk::registry
