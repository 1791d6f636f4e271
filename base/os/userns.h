// User namespaces: whether we are in one, the subordinate ids a user owns, and why the kernel refuses a new one.
//
// Pure functions over the text of the files, so that every rule has its unit test; reading is one thin call each.
// Formats: subuid(5), subgid(5), getsubids(1), user_namespaces(7). Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace bk::os {

// Host ids `start` … `start + count - 1`.
struct SubIdRange {
  uint32_t start = 0;
  uint32_t count = 0;
  bool operator==(const SubIdRange&) const = default;
};

// One line of uid_map: `count` ids from `inside` on are the host's from `outside` on.
struct IdMapLine {
  uint32_t inside = 0, outside = 0, count = 0;
  bool operator==(const IdMapLine&) const = default;
};

// The ranges of `user` (by name, when there is one, or by number) in the text of /etc/subuid or /etc/subgid, in its order.
// InvalidArgument for a line that is not owner:start:count, or a wrong number in a line of this user. `path` is for messages.
absl::StatusOr<std::vector<SubIdRange>> ParseSubIds(std::string_view text, std::string_view path, uid_t uid, std::string_view name);
// The ranges that getsubids prints ("0: alice 100000 65536").
absl::StatusOr<std::vector<SubIdRange>> ParseGetSubIds(std::string_view text);
// Root inside is `own` outside, and the ranges follow one after the other from 1. InvalidArgument for empty ranges, ids
// above 2^32 - 2, or more lines than the kernel takes (340).
absl::StatusOr<std::vector<IdMapLine>> MakeIdMap(uint32_t own, const std::vector<SubIdRange>& ranges);

// The lines of /proc/PID/uid_map and gid_map.
absl::StatusOr<std::vector<IdMapLine>> ParseIdMap(std::string_view text);
// Whether this process is in a user namespace other than the host's first one.
bool InUserNamespace();

// The kernel's settings that can forbid user namespaces; nullopt where the file does not exist.
struct UsernsSettings {
  std::optional<int64_t> max_user_namespaces;         // user.max_user_namespaces
  std::optional<int64_t> unprivileged_clone;          // kernel.unprivileged_userns_clone (Debian, Arch)
  std::optional<int64_t> apparmor_restrict;           // kernel.apparmor_restrict_unprivileged_userns (Ubuntu)
  bool chrooted = false;                              // our root directory is not that of pid 1 (clone(2): EPERM)
};
UsernsSettings ReadUsernsSettings();
// Cause and fix in one line: what the settings forbid, else what `refusal` (the failed clone) means; "" when nothing speaks
// against it and `refusal` is OK. `program` is ours, for AppArmor's profile.
std::string ExplainUsernsRefusal(const UsernsSettings& settings, const absl::Status& refusal, std::string_view program);

}  // namespace bk::os
