// Auth: the daemon's questions for registry credentials and tokens, answered from Docker's configuration.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "base/curl_tls/options.h"
#include "client/session/docker_config.h"

namespace bk::client {

inline constexpr char kAuthName[] = "moby.filesync.v1.Auth";

// `note` is told, once a host or token, what was shared with the daemon (the text of a progress step), from any thread.
// `tls`: by registry host, for the token servers that its registries name.
std::unique_ptr<grpc::Service> MakeAuth(DockerConfig config, std::string directory, std::map<std::string, TlsOptions> tls, std::function<void(const std::string&)> note);

}  // namespace bk::client
