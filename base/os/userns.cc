#include "base/os/userns.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/go_parse.h"
#include "base/os/file.h"

namespace bk::os {
namespace {

constexpr uint64_t kHighestId = 0xfffffffe;  // 2^32 - 1 means "no id"
constexpr size_t kMaxMapLines = 340;         // user_namespaces(7), since Linux 4.15

std::string_view Trim(std::string_view text) {
  size_t first = text.find_first_not_of(" \t\r"), last = text.find_last_not_of(" \t\r");
  return first == std::string_view::npos ? std::string_view() : text.substr(first, last - first + 1);
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(Trim(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string_view> Fields(std::string_view text, std::string_view separators, bool keep_empty) {
  std::vector<std::string_view> fields;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find_first_of(separators, at), text.size());
    if (keep_empty || end > at) fields.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return fields;
}

absl::StatusOr<uint32_t> ParseId(std::string_view text) {
  auto value = ParseInt(text);
  if (!value.ok()) {
    // As Go's Atoi says it; the function's name is part of the known text.
    std::string message = Message(value.status());
    if (size_t at = message.find("ParseInt"); at != std::string::npos) message.replace(at, 8, "Atoi");
    return InvalidArgument(message);
  }
  if (*value < 0 || static_cast<uint64_t>(*value) > kHighestId) return InvalidArgument("id ", *value, " is out of range");
  return static_cast<uint32_t>(*value);
}

std::optional<int64_t> ReadNumber(const std::string& path) {
  auto text = ReadFile(path, 4096);
  if (!text.ok()) return std::nullopt;
  auto value = ParseInt(Trim(text->substr(0, text->find('\n'))));
  return value.ok() ? std::optional<int64_t>(*value) : std::nullopt;
}

bool Chrooted() {
  struct stat ours, theirs;
  return stat("/", &ours) == 0 && stat("/proc/1/root/", &theirs) == 0 && (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev);
}

}  // namespace

absl::StatusOr<std::vector<SubIdRange>> ParseSubIds(std::string_view text, std::string_view path, uid_t uid, std::string_view name) {
  std::vector<SubIdRange> ranges;
  std::string number = StrCat(uid);
  for (std::string_view line : Lines(text)) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string_view> fields = Fields(line, ":", true);
    if (fields.size() != 3) return InvalidArgument("cannot parse subuid/gid information: format not correct for ", path, " file");
    if (fields[0] != number && (name.empty() || fields[0] != name)) continue;
    SubIdRange range;
    for (auto [field, into] : {std::pair(fields[1], &range.start), std::pair(fields[2], &range.count)}) {
      auto id = ParseId(field);
      if (!id.ok()) {
        return InvalidArgument("string to int conversion failed during subuid/gid parsing of ", path, ": ", Message(id.status()));
      }
      *into = *id;
    }
    ranges.push_back(range);
  }
  return ranges;
}

absl::StatusOr<std::vector<SubIdRange>> ParseGetSubIds(std::string_view text) {
  std::vector<SubIdRange> ranges;
  for (std::string_view line : Lines(text)) {
    if (line.empty() || line[0] == '#') continue;
    size_t colon = line.find(':');
    auto fields = colon == std::string_view::npos ? std::vector<std::string_view>() : Fields(line.substr(colon + 1), " \t", false);
    if (fields.size() < 3) return InvalidArgument("getsubids: unparsable line ", Quote(line));
    BK_TRY(uint32_t start, ParseId(fields[1]));
    BK_TRY(uint32_t count, ParseId(fields[2]));
    ranges.push_back({start, count});
  }
  return ranges;
}

absl::StatusOr<std::vector<IdMapLine>> MakeIdMap(uint32_t own, const std::vector<SubIdRange>& ranges) {
  std::vector<IdMapLine> map = {{0, own, 1}};
  uint64_t inside = 1;
  for (const SubIdRange& range : ranges) {
    if (range.count == 0) return InvalidArgument("subordinate range ", range.start, ":0 is empty");
    if (range.start + uint64_t{range.count} - 1 > kHighestId || inside + range.count - 1 > kHighestId) {
      return InvalidArgument("subordinate range ", range.start, ":", range.count, " exceeds the highest id");
    }
    map.push_back({static_cast<uint32_t>(inside), range.start, range.count});
    inside += range.count;
  }
  if (map.size() > kMaxMapLines) return InvalidArgument(map.size(), " lines of an id map are more than the kernel's ", kMaxMapLines);
  return map;
}

absl::StatusOr<std::vector<IdMapLine>> ParseIdMap(std::string_view text) {
  std::vector<IdMapLine> map;
  for (std::string_view line : Lines(text)) {
    auto fields = Fields(line, " \t", false);
    if (fields.empty()) continue;
    if (fields.size() != 3) return InvalidArgument("unparsable line of an id map: ", Quote(line));
    IdMapLine parsed;
    for (auto [field, into] : {std::pair(fields[0], &parsed.inside), std::pair(fields[1], &parsed.outside), std::pair(fields[2], &parsed.count)}) {
      BK_TRY(uint64_t value, ParseUint(field, 10, 32));
      *into = static_cast<uint32_t>(value);
    }
    map.push_back(parsed);
  }
  return map;
}

bool InUserNamespace() {
  auto text = ReadFile("/proc/self/uid_map", 1 << 16);
  if (!text.ok()) return false;  // a kernel without user namespaces
  auto map = ParseIdMap(*text);
  return !map.ok() || *map != std::vector<IdMapLine>{{0, 0, 0xffffffff}};
}

UsernsSettings ReadUsernsSettings() {
  UsernsSettings settings;
  settings.max_user_namespaces = ReadNumber("/proc/sys/user/max_user_namespaces");
  settings.unprivileged_clone = ReadNumber("/proc/sys/kernel/unprivileged_userns_clone");
  settings.apparmor_restrict = ReadNumber("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
  settings.chrooted = Chrooted();
  return settings;
}

std::string ExplainUsernsRefusal(const UsernsSettings& settings, const absl::Status& refusal, std::string_view program) {
  if (settings.max_user_namespaces == 0) {
    return "user namespaces are switched off: /proc/sys/user/max_user_namespaces is 0 (as root: sysctl -w user.max_user_namespaces=28633)";
  }
  if (settings.unprivileged_clone == 0) {
    return "user namespaces are switched off for ordinary users: /proc/sys/kernel/unprivileged_userns_clone is 0 (as root: sysctl -w "
           "kernel.unprivileged_userns_clone=1)";
  }
  if (refusal.ok()) return "";
  std::string why = StrCat("the kernel refuses a user namespace: ", Message(refusal));
  switch (refusal.code()) {
    case absl::StatusCode::kPermissionDenied:
      if (settings.apparmor_restrict.value_or(0) > 0) {
        return StrCat(why, "; AppArmor restricts them to programs with a profile (as root: give ", program,
                      " a profile with the line \"userns,\" in /etc/apparmor.d, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0)");
      }
      if (settings.chrooted) return StrCat(why, "; this process runs in a chroot (start it outside of it)");
      return StrCat(why, "; a seccomp or security profile forbids it (in a container: --security-opt seccomp=unconfined --security-opt "
                         "apparmor=unconfined)");
    case absl::StatusCode::kResourceExhausted:
      return StrCat(why, "; too many exist or they are nested too deeply (as root: raise user.max_user_namespaces, now ",
                    settings.max_user_namespaces ? StrCat(*settings.max_user_namespaces) : std::string("unknown"), ")");
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
      return StrCat(why, " (the kernel needs CONFIG_USER_NS=y)");
    default:
      return why;
  }
}

}  // namespace bk::os
