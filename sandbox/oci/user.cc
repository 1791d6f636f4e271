#include "sandbox/oci/user.h"

#include <charconv>
#include <optional>
#include <sstream>

namespace bk::oci {
namespace {

constexpr uint64_t kFileLimit = 10 << 20;
constexpr int64_t kMaxId = 2147483647;  // of a looked-up number

std::optional<uint32_t> ParseId(std::string_view text) {
  if (text == "root") return 0;
  uint32_t id = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

struct Number {
  bool numeric = false;
  int64_t value = 0;
};

absl::StatusOr<Number> ParseNumeric(const std::string& text) {
  Number number;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number.value);
  number.numeric = !text.empty() && error == std::errc() && end == text.data() + text.size();
  if (number.numeric && (number.value < 0 || number.value > kMaxId)) return Unknown("uids and gids must be in range 0-2147483647");
  return number;
}

std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields;
  std::string rest = line + ":";
  for (size_t at = 0; at < rest.size(); at = rest.find(':', at) + 1) fields.push_back(rest.substr(at, rest.find(':', at) - at));
  return fields;
}

int64_t ToInt(const std::vector<std::string>& fields, size_t index) { return index < fields.size() ? std::atoll(fields[index].c_str()) : 0; }

// Lines of the file; nullopt when it is not there.
absl::StatusOr<std::optional<std::string>> ReadUserFile(const os::RootDir& root, const char* path) {
  auto text = root.ReadFile(path, kFileLimit);
  if (text.ok()) return std::optional<std::string>(*std::move(text));
  if (absl::IsNotFound(text.status())) return std::optional<std::string>();
  return text.status();
}

template <typename Visit>
void EachLine(const std::optional<std::string>& text, Visit visit) {
  if (!text) return;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line[0] != '#' && !visit(Fields(line))) return;
  }
}

bool IsMember(const std::string& list, const std::string& name) {
  std::string rest = list + ",";
  for (size_t at = 0; at < rest.size(); at = rest.find(',', at) + 1) {
    if (rest.substr(at, rest.find(',', at) - at) == name) return true;
  }
  return false;
}

absl::StatusOr<User> LookUp(const os::RootDir& root, const std::string& text) {
  BK_TRY(auto passwd, ReadUserFile(root, "/etc/passwd"));
  BK_TRY(auto group, ReadUserFile(root, "/etc/group"));
  std::vector<std::string> parts = Fields(text);
  std::string user_part = parts[0], group_part = parts.size() > 1 ? parts[1] : "";
  BK_TRY(Number uid, ParseNumeric(user_part));
  BK_TRY(Number gid, ParseNumeric(group_part));
  User user;
  std::string matched;
  EachLine(passwd, [&](const std::vector<std::string>& fields) {
    bool match = user_part.empty() ? ToInt(fields, 2) == 0 : uid.numeric ? ToInt(fields, 2) == uid.value : fields[0] == user_part;
    if (!match) return true;
    matched = fields[0];
    user.uid = static_cast<uint32_t>(ToInt(fields, 2));
    user.gid = static_cast<uint32_t>(ToInt(fields, 3));
    return false;
  });
  if (matched.empty() && !user_part.empty()) {
    if (!uid.numeric) return Unknown("unable to find user ", user_part, ": no matching entries in passwd file");
    user.uid = static_cast<uint32_t>(uid.value);
  }
  if (group_part.empty() && matched.empty()) return user;
  bool found = false;
  EachLine(group, [&](const std::vector<std::string>& fields) {
    if (group_part.empty()) {
      if (fields.size() > 3 && IsMember(fields[3], matched)) user.groups.push_back(static_cast<uint32_t>(ToInt(fields, 2)));
      return true;
    }
    if (gid.numeric ? ToInt(fields, 2) != gid.value : fields[0] != group_part) return true;
    user.gid = static_cast<uint32_t>(ToInt(fields, 2));
    found = true;
    return false;
  });
  if (!group_part.empty() && !found) {
    if (!gid.numeric) return Unknown("unable to find group ", group_part, ": no matching entries in group file");
    user.gid = static_cast<uint32_t>(gid.value);
  }
  return user;
}

}  // namespace

absl::StatusOr<User> LookUpUser(const os::RootDir& root, const std::string& text) {
  size_t colon = text.find(':');
  if (colon != std::string::npos) {
    auto uid = ParseId(std::string_view(text).substr(0, colon)), gid = ParseId(std::string_view(text).substr(colon + 1));
    if (uid && gid) return User{*uid, *gid, {}};
  }
  auto user = LookUp(root, text.empty() ? "0" : text);
  if (!user.ok() && text.empty()) return User{};
  return user;
}

absl::StatusOr<uint32_t> LookUpUid(const os::RootDir& root, const std::string& name) {
  BK_TRY(auto passwd, ReadUserFile(root, "/etc/passwd"));
  std::optional<uint32_t> id;
  EachLine(passwd, [&](const std::vector<std::string>& fields) {
    if (fields[0] == name) id = static_cast<uint32_t>(ToInt(fields, 2));
    return !id;
  });
  if (!id) return NotFound("unknown user ", name);
  return *id;
}

absl::StatusOr<uint32_t> LookUpGid(const os::RootDir& root, const std::string& name) {
  BK_TRY(auto group, ReadUserFile(root, "/etc/group"));
  std::optional<uint32_t> id;
  EachLine(group, [&](const std::vector<std::string>& fields) {
    if (fields[0] == name) id = static_cast<uint32_t>(ToInt(fields, 2));
    return !id;
  });
  if (!id) return NotFound("unknown group ", name);
  return *id;
}

}  // namespace bk::oci
