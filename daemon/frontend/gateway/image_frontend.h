// gateway.v0: a frontend that comes as an image. Its container speaks LLBBridge over its standard input and output.
//
// Environment, labels and files: docs/wire.md. Stateless; thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/frontend/frontend.h"

namespace bk::frontend::gateway {

class ImageFrontend final : public Frontend {
 public:
  using ForClients = absl::Status (*)(const absl::Status&);
  // `allowed`: names of repositories; empty: all. Error: one of them is no name.
  static absl::StatusOr<std::unique_ptr<ImageFrontend>> Make(const std::vector<std::string>& allowed, ForClients for_clients);

  absl::StatusOr<Result> Solve(const CancelToken& cancel, Bridge& bridge, const std::map<std::string, std::string>& opts,
                               const std::map<std::string, std::shared_ptr<const pb::Definition>>& inputs) override;
  // `'SOURCE' is not an allowed gateway source`.
  absl::Status CheckAllowed(const std::string& source) const;

 private:
  explicit ImageFrontend(ForClients for_clients) : for_clients_(for_clients) {}
  std::vector<std::string> allowed_;
  const ForClients for_clients_;
};

// Whether `source` is the image of a frontend that is built in: docker/dockerfile and docker/dockerfile-upstream under any
// tag. One that is pinned by its digest, or that the caller puts another image in the place of, is run as it is.
bool IsBuiltIn(const std::string& source, const std::map<std::string, std::string>& opts);

}  // namespace bk::frontend::gateway
