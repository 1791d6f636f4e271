// containerd's content service over the client's blob stores: OCI layouts that the build reads ("oci:NAME"), local caches
// ("local:DIR") and the directory that an export without a tar archive goes to ("export").
#pragma once

#include <map>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "client/session/blob_store.h"

namespace bk::client {

inline constexpr char kContentName[] = "containerd.services.content.v1.Content";

// Keyed by the store's id, which the daemon sends as a header. Info, Read, Write, Status and Abort; the rest is refused.
std::unique_ptr<grpc::Service> MakeContent(std::map<std::string, std::shared_ptr<BlobStore>> stores);

}  // namespace bk::client
