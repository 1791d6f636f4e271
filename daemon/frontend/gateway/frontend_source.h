// Where a frontend comes from: an image by its name, or the tree that the caller put in its place (opt "context:NAME").
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/frontend/gateway/forwarder.h"

namespace bk::frontend::gateway {

struct FrontendSource {
  std::shared_ptr<const pb::Definition> definition;
  std::string digest;  // of an image's manifest; "" = none
  // Of the image's configuration.
  std::vector<std::string> env, entrypoint{"/run"};
  std::string working_dir = "/";
  std::map<std::string, std::string> labels;
};

// InvalidArgument or what the registry says. Named contexts, as in Dockerfiles: docker-image, oci-layout, git, http(s), local
// (without what its .dockerignore names), input (with its image's configuration, if that came along).
absl::StatusOr<FrontendSource> FindFrontend(const CancelToken& cancel, Bridge& bridge, const std::string& source, const std::map<std::string, std::string>& opts, const Inputs& inputs);

}  // namespace bk::frontend::gateway
