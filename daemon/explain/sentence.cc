// Causes in words.
#include <ctime>

#include "base/status.h"
#include "daemon/explain/compare.h"

namespace bk::explain {
namespace {

constexpr size_t kNamedFiles = 5;
constexpr int kNamedCauses = 3;

// Names of files and values come from anywhere; a terminal must not be steered by them.
std::string Printable(std::string_view text) {
  std::string out;
  for (char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out;
}

std::string Short(const std::string& value) {
  constexpr std::string_view kPrefix = "sha256:";
  if (value.starts_with(kPrefix) && value.size() > 19) return value.substr(0, 19);
  return Printable(value);
}

std::string TimeText(int64_t ns, int64_t offset) {
  time_t seconds = static_cast<time_t>(ns / 1'000'000'000 + offset);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  strftime(text, sizeof text, "%H:%M", &parts);
  time_t now = time(nullptr) + static_cast<time_t>(offset);
  if (now / 86400 != seconds / 86400) strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
  return text;
}

std::string FilesText(const v1::Cause& cause) {
  int64_t counts[3] = {};
  std::string names;
  for (int i = 0; i < cause.files_size(); i++) {
    const v1::FileChange& file = cause.files(i);
    counts[file.kind()]++;
    if (static_cast<size_t>(i) < kNamedFiles) names += StrCat(names.empty() ? "" : ", ", file.kind() == v1::FileChange::ADDED ? "+" : file.kind() == v1::FileChange::REMOVED ? "-" : "", Printable(file.path()));
  }
  int64_t total = cause.files_size() + cause.more_files();
  if (total == 0) return "files that it reads changed";
  int kinds = (counts[0] > 0) + (counts[1] > 0) + (counts[2] > 0);
  const char* verb = kinds > 1 || counts[0] > 0 ? "changed" : counts[1] > 0 ? "added" : "removed";
  int64_t left = total - std::min<int64_t>(cause.files_size(), kNamedFiles);
  return StrCat(total, total == 1 ? " file " : " files ", verb, " (", names, left > 0 ? StrCat(" and ", left, " more") : "", ")");
}

std::string ChangeText(const v1::Cause& cause) {
  if (cause.before().empty() && cause.after().empty()) return StrCat(cause.name(), " changed");
  if (cause.before().empty()) return StrCat(cause.name(), " is new (", Short(cause.after()), ")");
  if (cause.after().empty()) return StrCat(cause.name(), " is gone (was ", Short(cause.before()), ")");
  return StrCat(cause.name(), " changed (", Short(cause.before()), " → ", Short(cause.after()), ")");
}

std::string Text(const v1::Cause& cause, int64_t offset) {
  switch (cause.kind()) {
    case v1::Cause::FIRST: return "first build of this step";
    case v1::Cause::NO_CACHE: return "it was told not to use the cache";
    case v1::Cause::INSTRUCTION: return StrCat("its instruction changed (was ", Printable(cause.before()), ")");
    case v1::Cause::PART: return ChangeText(cause);
    case v1::Cause::FILES: return FilesText(cause);
    case v1::Cause::SOURCE: return cause.before().empty() ? StrCat(cause.name(), " changed") : StrCat(cause.name(), " changed: ", cause.name().starts_with("git ") ? "commit " : "digest ", Short(cause.before()), " → ", Short(cause.after()));
    case v1::Cause::INPUT: return StrCat("its input ", Printable(cause.name()), " ", cause.after());
    case v1::Cause::PRUNED: return StrCat("record was pruned at ", TimeText(cause.time_ns(), offset));
    case v1::Cause::FAILED_BEFORE: return "it did not end well before";
    case v1::Cause::ALWAYS: return "files of the client are read in each build";
    default: return "nothing of it changed, but the cache has no record of it";
  }
}

}  // namespace

std::string Sentence(const std::string& instruction, const google::protobuf::RepeatedPtrField<v1::Cause>& causes, int64_t utc_offset_seconds) {
  std::string out = Printable(instruction) + " ran: ";
  for (int i = 0; i < causes.size() && i < kNamedCauses; i++) out += (i == 0 ? "" : "; ") + Text(causes[i], utc_offset_seconds);
  if (causes.size() > kNamedCauses) out += StrCat("; and ", causes.size() - kNamedCauses, " more reasons");
  return out;
}

}  // namespace bk::explain
