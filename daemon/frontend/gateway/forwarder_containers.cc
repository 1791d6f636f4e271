// LLBBridge's calls about containers.
#include "daemon/frontend/gateway/forwarder.h"
#include "daemon/frontend/gateway/wire_stat.h"

namespace bk::frontend::gateway {
namespace {

constexpr size_t kMaxContainers = 1000, kMaxMounts = 1000;  // of one frontend at a time; of one container

ContainerMount MountOf(const pb::Mount& asked) {
  ContainerMount out;
  out.mount.set_dest(asked.dest());
  out.mount.set_selector(asked.selector());
  out.mount.set_readonly(asked.readonly());
  out.mount.set_mounttype(asked.mounttype());
  if (asked.has_tmpfsopt()) *out.mount.mutable_tmpfsopt() = asked.tmpfsopt();
  if (asked.has_cacheopt()) *out.mount.mutable_cacheopt() = asked.cacheopt();
  if (asked.has_secretopt()) *out.mount.mutable_secretopt() = asked.secretopt();
  if (asked.has_sshopt()) *out.mount.mutable_sshopt() = asked.sshopt();
  out.result_id = asked.resultid();
  return out;
}

}  // namespace

absl::StatusOr<api::NewContainerResponse> Forwarder::NewContainer(const CancelToken& cancel, const api::NewContainerRequest& request) {
  const std::string& id = request.containerid();
  if (static_cast<size_t>(request.mounts_size()) > kMaxMounts) return ResourceExhausted("container ", id, " has more than ", kMaxMounts, " mounts");
  ContainerRequest make;
  make.id = id;
  make.network = request.network();
  make.hostname = request.hostname();
  make.platform_os = request.platform().os();
  make.extra_hosts = {request.extrahosts().begin(), request.extrahosts().end()};
  for (const pb::Mount& asked : request.mounts()) {
    ContainerMount& mount = make.mounts.emplace_back(MountOf(asked));
    if (auto ref = FindRef(mount.result_id); ref.ok()) mount.ref = *std::move(ref);
  }
  auto refused = [&](const State& s) -> absl::Status {
    if (s.containers.contains(id)) return AlreadyExists("Container ", id, " already exists");
    if (s.containers.size() >= kMaxContainers) return ResourceExhausted("more than ", kMaxContainers, " containers (release those that are not needed)");
    return absl::OkStatus();
  };
  BK_RETURN_IF_ERROR(state_.With(refused));
  BK_TRY(std::shared_ptr<Container> made, bridge_.NewContainer(cancel, make));
  BK_RETURN_IF_ERROR(state_.With([&](State& s) {
    absl::Status status = refused(s);
    if (status.ok()) s.containers[id] = made;
    return status;
  }));
  return api::NewContainerResponse();
}

absl::StatusOr<api::ReleaseContainerResponse> Forwarder::ReleaseContainer(const api::ReleaseContainerRequest& request) {
  auto node = state_.With([&](State& s) { return s.containers.extract(request.containerid()); });
  if (node.empty()) return Unknown("container details for ", request.containerid(), " not found");
  BK_RETURN_IF_ERROR(node.mapped()->Release());
  return api::ReleaseContainerResponse();
}

absl::StatusOr<std::shared_ptr<Container>> Forwarder::FindContainer(const std::string& id, int mount) {
  auto found = state_.With([&](const State& s) {
    auto it = s.containers.find(id);
    return it == s.containers.end() ? nullptr : it->second;
  });
  if (found == nullptr) return Unknown("container details for ", id, "@", mount, " not found");
  return found;
}

absl::StatusOr<api::ReadFileResponse> Forwarder::ReadFileContainer(const api::ReadFileRequest& request) {
  BK_TRY(auto container, FindContainer(request.ref(), request.mountindex()));
  int64_t offset = request.has_range() ? request.range().offset() : 0;
  int64_t length = request.has_range() ? request.range().length() : -1;
  if (request.has_range() && (offset < 0 || length < 0)) return InvalidArgument("invalid file range ", offset, "+", length);
  api::ReadFileResponse response;
  BK_TRY(*response.mutable_data(), container->ReadFile(request.mountindex(), request.filepath(), offset, length));
  return response;
}

absl::StatusOr<api::ReadDirResponse> Forwarder::ReadDirContainer(const CancelToken& cancel, const api::ReadDirRequest& request) {
  BK_TRY(auto container, FindContainer(request.ref(), request.mountindex()));
  BK_TRY(auto entries, container->ReadDir(cancel, request.mountindex(), request.dirpath(), request.includepattern()));
  api::ReadDirResponse response;
  for (const FileStat& entry : entries) *response.add_entries() = ToWire(entry);
  return response;
}

absl::StatusOr<api::StatFileResponse> Forwarder::StatFileContainer(const api::StatFileRequest& request) {
  BK_TRY(auto container, FindContainer(request.ref(), request.mountindex()));
  BK_TRY(FileStat stat, container->StatFile(request.mountindex(), request.path()));
  api::StatFileResponse response;
  *response.mutable_stat() = ToWire(stat);
  return response;
}

absl::Status Forwarder::ExecProcess(const CancelToken& cancel, ExecStream& stream) {
  return ServeExec(cancel, stream, [this](const std::string& id) { return FindContainer(id, 0).value_or(nullptr); });
}

}  // namespace bk::frontend::gateway
