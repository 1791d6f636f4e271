// Registry credentials as Docker's command-line tools keep them: config.json, helper programs, DOCKER_AUTH_CONFIG.
//
// Thread-safe; Lookup may run a helper program and blocks for it.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/cancel.h"

namespace bk::client {

struct Credentials {
  std::string username, password;
  std::string identity_token;  // in place of both
  std::string registry_token;  // a bearer token, used as it is
  // What is told to the daemon or the token server.
  std::string Secret() const { return identity_token.empty() ? password : identity_token; }
  std::string User() const { return identity_token.empty() ? username : ""; }
};

class DockerConfig {
 public:
  // DOCKER_CONFIG, else ~/.docker.
  static std::string DefaultDirectory();
  // A missing file is an empty configuration; a broken one is warned about on stderr and ignored.
  static DockerConfig Load(const std::string& directory);

  // Of a registry host as the daemon names it (Docker Hub's registry has another key). Empty if there are none.
  absl::StatusOr<Credentials> Lookup(const CancelToken& cancel, const std::string& host) const;

 private:
  absl::Status Parse(const std::string& text);
  absl::Status ParseEnvironment(const std::string& text);
  std::map<std::string, Credentials> file_, environment_;
  std::map<std::string, std::string> helpers_;  // host → suffix of the program's name
  std::string default_helper_;
};

}  // namespace bk::client
