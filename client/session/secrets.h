// Secrets that the build may ask for: files and environment variables of the client, named by id.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "base/status.h"

namespace bk::client {

inline constexpr int64_t kMaxSecretBytes = 500 * 1024;
inline constexpr char kSecretsName[] = "moby.buildkit.secrets.v1.Secrets";

struct SecretSource {
  std::string id;
  std::string file_path;
  std::string env;
};

// With neither file nor variable the id names the variable, or, if that is not set, the file. InvalidArgument for a missing
// id and for files that are too big, NotFound for files that are not there. Values are read when asked for.
absl::StatusOr<std::unique_ptr<grpc::Service>> MakeSecrets(const std::vector<SecretSource>& sources);

}  // namespace bk::client
