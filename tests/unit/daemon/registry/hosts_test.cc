#include "daemon/registry/hosts.h"

#include <doctest/doctest.h>

#include "base/os/file.h"

namespace bk::registry {
namespace {

std::vector<std::string> Bases(const HostConfigs& configs, const std::string& domain) {
  std::vector<std::string> out;
  auto endpoints = EndpointsOf(configs, domain);
  REQUIRE(endpoints.ok());
  for (const Endpoint& endpoint : *endpoints) out.push_back(endpoint.base() + (endpoint.http_fallback ? " or http" : ""));
  return out;
}

using Texts = std::vector<std::string>;

TEST_CASE("registries speak https, loopback hosts http unless told otherwise") {  // DMN-083, INF-001
  HostConfigs none;
  CHECK(Bases(none, "a.test") == Texts{"https://a.test/v2"});
  CHECK(Bases(none, "a.test:5000") == Texts{"https://a.test:5000/v2"});
  CHECK(Bases(none, "docker.io") == Texts{"https://registry-1.docker.io/v2"});  // DMN-085
  for (const char* host : {"localhost", "localhost:5000", "127.0.0.1:5000", "127.3.2.1", "[::1]:5000"}) {
    CAPTURE(host);
    CHECK(Bases(none, host) == Texts{StrCat("http://", host, "/v2")});
    HostConfigs tls;
    tls[host].http = false;
    CHECK(Bases(tls, host) == Texts{StrCat("https://", host, "/v2")});
  }
  HostConfigs set;
  set["a.test"].http = true;
  set["b.test"].insecure = true;
  set["c.test"].insecure = set["c.test"].http = true;
  set["localhost:5000"].insecure = true;
  CHECK(Bases(set, "a.test") == Texts{"http://a.test/v2"});
  CHECK(Bases(set, "b.test") == Texts{"https://b.test/v2"});
  CHECK((*EndpointsOf(set, "b.test"))[0].tls.insecure);
  CHECK(Bases(set, "c.test") == Texts{"https://c.test/v2 or http"});
  CHECK(Bases(set, "localhost:5000") == Texts{"https://localhost:5000/v2 or http"});
}

TEST_CASE("mirrors come first, in their order, with paths and tables of their own") {  // DMN-082
  HostConfigs configs;
  configs["docker.io"].mirrors = {"m1.test:5000", "m2.test/proxy/", "https://m3.test", "http://m4.test/x", "localhost:1"};
  configs["m2.test"].http = true;
  CHECK(Bases(configs, "docker.io") == Texts{"https://m1.test:5000/v2", "http://m2.test/v2/proxy", "https://m3.test/v2", "http://m4.test/v2/x", "http://localhost:1/v2", "https://registry-1.docker.io/v2"});
  auto endpoints = *EndpointsOf(configs, "docker.io");
  for (size_t i = 0; i < endpoints.size(); i++) CHECK(endpoints[i].mirror == (i + 1 < endpoints.size()));
  CHECK(Bases(configs, "other.test") == Texts{"https://other.test/v2"});
}

TEST_CASE("certificates come from files, from directories and from the directory of the host") {  // DMN-084
  auto dir = *os::TempDir::Make("certs-");
  for (const char* name : {"given", "roots/a.test:5000", "roots/docker.io", "roots/m.test"}) REQUIRE(os::MakeDirs(dir.path() + "/" + name, 0700).ok());
  for (const char* name : {"given/ca.crt", "given/client.cert", "given/client.key", "given/readme", "roots/a.test:5000/own.crt", "roots/docker.io/hub.cert", "roots/docker.io/hub.key", "roots/m.test/m.crt"}) {
    REQUIRE(os::WriteFile(dir.path() + "/" + name, "x", 0600).ok());
  }
  HostConfigs configs;
  configs.certificate_roots = {dir.path() + "/missing", dir.path() + "/roots"};
  configs["a.test:5000"].ca_files = {"/ca.pem"};
  configs["a.test:5000"].key_pairs = {{"/k", "/c"}};
  configs["a.test:5000"].tls_dirs = {dir.path() + "/given", dir.path() + "/none"};
  configs["docker.io"].mirrors = {"m.test"};
  TlsOptions tls = (*EndpointsOf(configs, "a.test:5000"))[0].tls;
  CHECK(tls.ca_files == Texts{"/ca.pem", dir.path() + "/given/ca.crt", dir.path() + "/roots/a.test:5000/own.crt"});
  REQUIRE(tls.key_pairs.size() == 2);
  CHECK(tls.key_pairs[0].key_file == "/k");
  CHECK(tls.key_pairs[0].cert_file == "/c");
  CHECK(tls.key_pairs[1].key_file == dir.path() + "/given/client.key");
  CHECK(tls.key_pairs[1].cert_file == dir.path() + "/given/client.cert");
  auto hub = *EndpointsOf(configs, "docker.io");
  CHECK(hub[0].tls.ca_files == Texts{dir.path() + "/roots/m.test/m.crt"});
  CHECK(hub[0].tls.key_pairs.empty());
  CHECK(hub[1].tls.key_pairs.size() == 1);
  CHECK((*EndpointsOf(configs, "a.test"))[0].tls.ca_files.empty());
  CHECK((*EndpointsOf(configs, ".."))[0].tls.ca_files.empty());
}

}  // namespace
}  // namespace bk::registry
