#include "daemon/ops/file/owner.h"

#include "sandbox/oci/user.h"

namespace bk::ops::file {
namespace {

std::optional<oci::OwnerPart> PartOf(const pb::UserOpt& user, const os::RootDir* root) {
  switch (user.user_case()) {
    case pb::UserOpt::kByName: return oci::OwnerPart{user.byname().name(), 0, root};
    case pb::UserOpt::kByID: return oci::OwnerPart{"", user.byid(), nullptr};
    case pb::UserOpt::USER_NOT_SET: break;
  }
  return std::nullopt;
}

// A name that is empty is no number: nobody is called so.
bool NamesNobody(const pb::UserOpt& user) { return user.has_byname() && user.byname().name().empty(); }

}  // namespace

absl::StatusOr<std::optional<Owner>> ResolveOwner(const pb::ChownOpt* option, const os::RootDir* user_root, const os::RootDir* group_root) {
  if (option == nullptr) return std::optional<Owner>();
  auto user = NamesNobody(option->user()) ? std::nullopt : PartOf(option->user(), user_root);
  auto group = NamesNobody(option->group()) ? std::nullopt : PartOf(option->group(), group_root);
  BK_TRY(oci::FileOwner owner, oci::LookUpOwner(user, group));
  return std::optional<Owner>(Owner{static_cast<uid_t>(owner.uid), static_cast<gid_t>(owner.gid)});
}

}  // namespace bk::ops::file
