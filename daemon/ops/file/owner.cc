#include "daemon/ops/file/owner.h"

#include <fcntl.h>

#include <cerrno>
#include <charconv>
#include <limits>

#include "base/os/file.h"

namespace bk::ops::file {
namespace {

constexpr uint64_t kFileLimit = 10 << 20;
constexpr size_t kPasswdLineLimit = 64 << 10;  // longer lines end the reading of passwd (not of group)

// The file's text, empty when there is no such file.
absl::StatusOr<std::string> ReadUserFile(const os::RootDir& root, const char* path) {
  auto etc = root.Stat("/etc");
  if (etc.ok() && !S_ISDIR(etc->st_mode)) return std::string();
  BK_TRY(std::string resolved, root.Resolve(path));
  auto fd = root.OpenAt(resolved, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd.ok()) return absl::IsNotFound(fd.status()) ? absl::StatusOr<std::string>("") : fd.status();
  struct stat st;
  if (fstat(fd->get(), &st) < 0) return ErrnoError(errno, resolved);
  if (!S_ISREG(st.st_mode)) return Unknown(resolved, " is not a regular file");
  auto text = os::ReadAll(fd->get(), kFileLimit);
  if (absl::IsResourceExhausted(text.status())) return Unknown(Quote(resolved), " exceeds ", kFileLimit, " bytes");
  return text;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string_view Field(std::string_view line, int index) {
  for (; index > 0; index--) {
    size_t colon = line.find(':');
    if (colon == std::string_view::npos) return {};
    line.remove_prefix(colon + 1);
  }
  return line.substr(0, line.find(':'));
}

// Go's strconv.Atoi with its error ignored: 0 for what is no number, the nearest for what is too large.
int64_t ToInt(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || end != text.data() + text.size() || error == std::errc::invalid_argument) return 0;
  uint64_t limit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (error == std::errc::result_out_of_range || value > limit) value = limit;
  return negative ? -static_cast<int64_t>(value) : static_cast<int64_t>(value);
}

// The first line whose name is `name`; empty when there is none.
absl::StatusOr<std::string> FindLine(const std::string& text, const std::string& name, size_t line_limit) {
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    if (end - at >= line_limit) return Unknown("bufio.Scanner: token too long");
    std::string_view line = Trim(std::string_view(text).substr(at, end - at));
    at = end + 1;
    if (!line.empty() && Field(line, 0) == name) return std::string(line);
  }
  return std::string();
}

}  // namespace

absl::StatusOr<std::optional<Owner>> ResolveOwner(const pb::ChownOpt* option, const os::RootDir* user_root, const os::RootDir* group_root) {
  if (option == nullptr) return std::optional<Owner>();
  Owner owner;
  if (option->user().has_byname()) {
    if (user_root == nullptr) return Unknown("invalid missing user mount");
    BK_TRY(std::string text, ReadUserFile(*user_root, "/etc/passwd"));
    BK_TRY(std::string line, FindLine(text, option->user().byname().name(), kPasswdLineLimit));
    if (!line.empty()) owner = {static_cast<uid_t>(ToInt(Field(line, 2))), static_cast<gid_t>(ToInt(Field(line, 3)))};
  } else if (option->user().user_case() == pb::UserOpt::kByID) {
    owner = {option->user().byid(), option->user().byid()};
  }
  if (option->group().has_byname()) {
    if (group_root == nullptr) return Unknown("invalid missing group mount");
    BK_TRY(std::string text, ReadUserFile(*group_root, "/etc/group"));
    BK_TRY(std::string line, FindLine(text, option->group().byname().name(), std::string::npos));
    if (!line.empty()) owner.gid = static_cast<gid_t>(ToInt(Field(line, 2)));
  } else if (option->group().user_case() == pb::UserOpt::kByID) {
    owner.gid = option->group().byid();
  }
  return std::optional<Owner>(owner);
}

}  // namespace bk::ops::file
