#include "sandbox/oci/user.h"

#include <functional>
#include <limits>

#include "base/go_parse.h"
#include "base/unicode.h"

namespace bk::oci {
namespace {

constexpr uint64_t kFileLimit = 10 << 20;
constexpr int64_t kMaxId = 2147483647;  // of a number that goes through a look-up
constexpr char kPasswd[] = "/etc/passwd", kGroup[] = "/etc/group";

using Fields = std::vector<std::string>;

Fields Split(std::string_view text, char separator) {
  Fields fields;
  while (true) {
    size_t end = text.find(separator);
    fields.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return fields;
    text.remove_prefix(end + 1);
  }
}

std::string Field(const Fields& fields, size_t index) { return index < fields.size() ? fields[index] : ""; }

bool OutOfRange(const absl::Status& status) { return Message(status).ends_with("value out of range"); }

// A number in a file: what is none counts as 0, what is too large as the largest.
int64_t FileId(const Fields& fields, size_t index) {
  std::string text = Field(fields, index);
  auto id = ParseInt(text);
  if (id.ok()) return *id;
  if (!OutOfRange(id.status())) return 0;
  return text.starts_with('-') ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int64_t>::max();
}

// /etc/passwd or /etc/group of a root, as text.
struct UserFile {
  bool is_group = false;
  std::string text;

  // Visits every line as fields until `visit` says false. Fails for a line beyond the limit, wherever it stands.
  absl::Status Each(const std::function<bool(const Fields&)>& visit) const {
    const size_t line_limit = is_group ? 1 << 20 : 64 << 10;  // Go's bufio.Scanner, as the reference sets it
    bool more = true;
    for (std::string_view rest = text; !rest.empty();) {
      size_t end = std::min(rest.find('\n'), rest.size());
      if (end >= line_limit) return Unknown("bufio.Scanner: token too long");
      std::string_view line = TrimSpace(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.empty() || (is_group && line[0] == '#')) continue;
      if (more) more = visit(Split(line, ':'));
    }
    return absl::OkStatus();
  }
};

// NotFound when there is no such file in the root.
absl::StatusOr<UserFile> Open(const os::RootDir& root, const char* path) {
  auto where = [&] { return root.path() + root.Resolve(path).value_or(path); };
  auto st = root.Stat(path);
  if (!st.ok()) return absl::IsNotFound(st.status()) || Message(st.status()).ends_with("not a directory") ? NotFound(where()) : st.status();
  if (!S_ISREG(st->st_mode)) return Unknown(where(), " is not a regular file");
  auto text = root.ReadFile(path, kFileLimit);
  if (absl::IsResourceExhausted(text.status())) return ResourceExhausted(Quote(where()), " exceeds ", kFileLimit, " bytes");
  if (!text.ok()) return text.status();
  return UserFile{path == kGroup, *std::move(text)};
}

// As Open, but only a file that is too large is an error: any other that cannot be read counts as empty.
absl::StatusOr<UserFile> OpenLeniently(const os::RootDir& root, const char* path) {
  auto file = Open(root, path);
  if (file.ok() || absl::IsResourceExhausted(file.status())) return file;
  return UserFile{path == kGroup, ""};
}

struct Number {
  bool numeric = false;
  int64_t value = 0;
};

absl::StatusOr<Number> ReadNumber(const std::string& text) {
  auto id = ParseInt(text);
  if (!id.ok() && !OutOfRange(id.status())) return Number{};
  if (!id.ok() || *id < 0 || *id > kMaxId) return Unknown("uids and gids must be in range 0-", kMaxId);
  return Number{true, *id};
}

// Both parts as plain numbers (or "root"); nullopt otherwise.
std::optional<User> BothNumbers(const std::string& text) {
  size_t colon = text.find(':');
  if (colon == std::string::npos) return std::nullopt;
  auto id = [](std::string_view part) -> std::optional<uint32_t> {
    if (part == "root") return 0;
    auto value = ParseUint(part, 10, 32);
    if (!value.ok()) return std::nullopt;
    return static_cast<uint32_t>(*value);
  };
  auto uid = id(std::string_view(text).substr(0, colon)), gid = id(std::string_view(text).substr(colon + 1));
  if (!uid || !gid) return std::nullopt;
  return User{*uid, *gid, {}};
}

// The part before the colon; the account's name in `matched` when a line fits.
absl::Status FindAccount(const os::RootDir& root, const std::string& name, const Number& number, User& user, std::optional<std::string>& matched) {
  auto fits = [&](const Fields& line) {
    if (name.empty()) return FileId(line, 2) == 0;
    return number.numeric ? FileId(line, 2) == number.value : line[0] == name;
  };
  auto visit = [&](const Fields& line) {
    if (!fits(line)) return true;
    matched = line[0];
    user.uid = static_cast<uint32_t>(FileId(line, 2));
    user.gid = static_cast<uint32_t>(FileId(line, 3));
    return false;
  };
  auto file = OpenLeniently(root, kPasswd);
  absl::Status read = file.ok() ? file->Each(visit) : file.status();
  if (!read.ok()) return Unknown("unable to find user ", name.empty() ? "0" : name, ": ", Message(read));
  if (matched || name.empty()) return absl::OkStatus();
  if (!number.numeric) return Unknown("unable to find user ", name, ": no matching entries in passwd file");
  user.uid = static_cast<uint32_t>(number.value);
  return absl::OkStatus();
}

// The part behind the colon, or without one the groups that `account` is a member of.
absl::Status FindGroups(const os::RootDir& root, const std::string& name, const Number& number, const std::string& account, User& user) {
  bool found = false;
  auto visit = [&](const Fields& line) {
    if (name.empty()) {
      if (Field(line, 3).empty()) return true;
      for (const std::string& member : Split(line[3], ',')) {
        if (member == account) {
          user.groups.push_back(static_cast<uint32_t>(FileId(line, 2)));
          break;
        }
      }
      return true;
    }
    if (number.numeric ? FileId(line, 2) != number.value : line[0] != name) return true;
    user.gid = static_cast<uint32_t>(FileId(line, 2));
    found = true;
    return false;
  };
  auto file = OpenLeniently(root, kGroup);
  absl::Status read = file.ok() ? file->Each(visit) : file.status();
  if (!read.ok()) return Unknown("unable to find groups for spec ", account, ": ", Message(read));
  if (name.empty() || found) return absl::OkStatus();
  if (!number.numeric) return Unknown("unable to find group ", name, ": no matching entries in group file");
  user.gid = static_cast<uint32_t>(number.value);
  return absl::OkStatus();
}

absl::StatusOr<User> LookUp(const os::RootDir& root, const std::string& text) {
  Fields parts = Split(text, ':');
  std::string name = parts[0], group = Field(parts, 1);
  BK_TRY(Number uid, ReadNumber(name));
  BK_TRY(Number gid, ReadNumber(group));
  User user;
  std::optional<std::string> matched;
  BK_RETURN_IF_ERROR(FindAccount(root, name, uid, user, matched));
  std::string account = matched.value_or("");
  if (!group.empty() || !account.empty()) BK_RETURN_IF_ERROR(FindGroups(root, group, gid, account, user));
  return user;
}

// The first line named `name` of `path`; nullopt when there is none.
absl::StatusOr<std::optional<Fields>> FindLine(const OwnerPart& part, const char* path) {
  auto file = Open(*part.root, path);
  if (absl::IsNotFound(file.status())) return std::optional<Fields>();
  if (!file.ok()) return file.status();
  std::optional<Fields> found;
  BK_RETURN_IF_ERROR(file->Each([&](const Fields& line) {
    if (line[0] == part.name) found = line;
    return !found;
  }));
  return found;
}

}  // namespace

absl::StatusOr<User> LookUpUser(const os::RootDir& root, const std::string& text) {
  if (auto numbers = BothNumbers(text)) return *numbers;
  auto user = LookUp(root, text.empty() ? "0" : text);
  if (!user.ok() && text.empty()) return User{};
  return user;
}

absl::StatusOr<FileOwner> LookUpOwner(const std::optional<OwnerPart>& user, const std::optional<OwnerPart>& group) {
  FileOwner owner;
  if (user && user->name.empty()) {
    owner = {user->id, user->id};
  } else if (user) {
    if (user->root == nullptr) return InvalidArgument("invalid missing user mount");
    BK_TRY(auto line, FindLine(*user, kPasswd));
    if (line) owner = {FileId(*line, 2), FileId(*line, 3)};
  }
  if (group && group->name.empty()) {
    owner.gid = group->id;
  } else if (group) {
    if (group->root == nullptr) return InvalidArgument("invalid missing group mount");
    BK_TRY(auto line, FindLine(*group, kGroup));
    if (line) owner.gid = FileId(*line, 2);
  }
  return owner;
}

}  // namespace bk::oci
