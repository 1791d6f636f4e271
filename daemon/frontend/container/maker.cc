#include "daemon/frontend/container/maker.h"

#include "daemon/frontend/container/build_container.h"
#include "daemon/ops/build_error.h"
#include "daemon/ops/step_process.h"

namespace bk::frontend {
namespace {

constexpr size_t kMaxIdBytes = 256;

// Said when the container is made, not by its first process.
absl::Status CheckRequest(const ContainerRequest& request) {
  if (request.id.empty() || request.id.size() > kMaxIdBytes) return InvalidArgument("a container needs an id of at most ", kMaxIdBytes, " bytes");
  pb::ExecOp op;
  for (const pb::HostIP& host : request.extra_hosts) *op.mutable_meta()->add_extrahosts() = host;
  return ops::ProcessOf(op, {}).status();
}

class Maker final : public ContainerMaker {
 public:
  explicit Maker(const ContainerParts& parts) : parts_(parts) {}
  absl::StatusOr<std::unique_ptr<Container>> Make(const CancelToken& cancel, ContainerOrder order) override {
    BK_RETURN_IF_ERROR(CheckRequest(order.request));
    auto mounts = ContainerMounts::Make(cancel, parts_, order);
    if (!mounts.ok()) return ops::BuildError(mounts.status());
    return std::make_unique<BuildContainer>(parts_, std::move(order), *std::move(mounts));
  }

 private:
  const ContainerParts parts_;
};

}  // namespace

std::unique_ptr<ContainerMaker> MakeContainerMaker(const ContainerParts& parts) { return std::make_unique<Maker>(parts); }

}  // namespace bk::frontend
