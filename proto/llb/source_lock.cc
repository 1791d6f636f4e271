#include "proto/llb/source_lock.h"

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/go_url.h"
#include "base/platform.h"

namespace bk::llb {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr size_t kMaxTextBytes = 8 << 20, kMaxSources = 20'000;
constexpr std::string_view kImage = "docker-image://";

bool IsObjectId(std::string_view text) { return (text.size() == 40 || text.size() == 64) && text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

absl::Status CheckValue(const std::string& name, const std::string& value) {
  if (name.starts_with("git://")) return IsObjectId(value) ? absl::OkStatus() : InvalidArgument(Quote(name), " resolved to ", Quote(value), ", which is no commit");
  auto digest = Digest::Parse(value);
  return digest.ok() ? absl::OkStatus() : InvalidArgument(Quote(name), " resolved to ", Quote(value), ", which is no digest");
}

absl::StatusOr<std::string> TextOf(const Json& object, const char* key) {
  auto found = object.find(key);
  if (found == object.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) return InvalidArgument("a source without ", Quote(key));
  return found->get<std::string>();
}

absl::StatusOr<std::set<std::string>> PlatformsOf(const Json& object) {
  std::set<std::string> out;
  auto found = object.find("platforms");
  if (found == object.end()) return out;
  if (!found->is_array()) return InvalidArgument("platforms are no list");
  for (const Json& platform : *found) {
    if (!platform.is_string()) return InvalidArgument("a platform is no string");
    BK_RETURN_IF_ERROR(ParsePlatform(platform.get_ref<const std::string&>()).status());
    out.insert(platform.get<std::string>());
  }
  return out;
}

}  // namespace

absl::StatusOr<SourceLock> SourceLock::Parse(const std::string& text) {
  if (text.size() > kMaxTextBytes) return InvalidArgument("lock file of more than ", kMaxTextBytes, " bytes");
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return InvalidArgument("lock file is no JSON object");
  auto version = json.find("version");
  if (version == json.end() || !version->is_number_integer()) return InvalidArgument("lock file has no version");
  if (version->get<int64_t>() != kVersion) return InvalidArgument("lock file has version ", version->get<int64_t>(), ", this program knows ", kVersion);
  auto sources = json.find("sources");
  if (sources == json.end() || !sources->is_array()) return InvalidArgument("lock file has no list of sources");
  if (sources->size() > kMaxSources) return InvalidArgument("lock file has more than ", kMaxSources, " sources");
  SourceLock out;
  for (const Json& entry : *sources) {
    if (!entry.is_object()) return InvalidArgument("lock file: a source is no object");
    auto read = [&]() -> absl::Status {
      BK_TRY(std::string name, TextOf(entry, "source"));
      LockedSource source;
      BK_ASSIGN(source.resolved, TextOf(entry, "resolved"));
      BK_RETURN_IF_ERROR(CheckValue(name, source.resolved));
      BK_ASSIGN(source.platforms, PlatformsOf(entry));
      return out.sources_.emplace(name, std::move(source)).second ? absl::OkStatus() : InvalidArgument(Quote(name), " is there twice");
    };
    if (absl::Status status = read(); !status.ok()) return Annotate(status, "lock file");
  }
  return out;
}

std::string SourceLock::Text() const {
  Json sources = Json::array();
  for (const auto& [name, source] : sources_) {
    Json entry = {{"source", name}, {"resolved", source.resolved}};
    if (!source.platforms.empty()) entry["platforms"] = source.platforms;
    sources.push_back(std::move(entry));
  }
  return Json{{"version", kVersion}, {"sources", std::move(sources)}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::Status SourceLock::Add(const std::string& name, const std::string& resolved, const std::string& platform) {
  LockedSource& source = sources_[name];
  if (!source.resolved.empty() && source.resolved != resolved) {
    return FailedPrecondition(name, " resolved to ", source.resolved, " and to ", resolved, " within one build: it changed meanwhile (build again)");
  }
  source.resolved = resolved;
  if (!platform.empty()) source.platforms.insert(platform);
  return absl::OkStatus();
}

const LockedSource* SourceLock::Find(const std::string& name) const {
  if (auto found = sources_.find(name); found != sources_.end()) return &found->second;
  std::string_view image, digest;
  if (!CutImageDigest(name, image, digest)) return nullptr;
  auto found = sources_.find(std::string(image));
  return found != sources_.end() && found->second.resolved == digest ? &found->second : nullptr;
}

void SourceLock::Fold() {
  for (auto it = sources_.begin(); it != sources_.end();) {
    std::string_view image, digest;
    auto plain = CutImageDigest(it->first, image, digest) ? sources_.find(std::string(image)) : sources_.end();
    if (plain == sources_.end() || plain->second.resolved != digest) {
      ++it;
      continue;
    }
    plain->second.platforms.merge(it->second.platforms);
    it = sources_.erase(it);
  }
}

bool IsOutside(std::string_view identifier) {
  constexpr std::string_view kSessionHost = "://buildkit-session";
  for (std::string_view scheme : {"http", "https"}) {
    if (!identifier.starts_with(std::string(scheme) + "://")) continue;
    std::string_view rest = identifier.substr(scheme.size());
    return !rest.starts_with(kSessionHost) || (rest.size() > kSessionHost.size() && rest[kSessionHost.size()] != '/');
  }
  return identifier.starts_with(kImage) || identifier.starts_with("git://") || identifier.starts_with("docker-image+blob://");
}

std::string LockName(const std::string& identifier) { return identifier.starts_with("http") ? RedactCredentials(identifier) : identifier; }

bool CutImageDigest(std::string_view name, std::string_view& image, std::string_view& digest) {
  if (!name.starts_with(kImage)) return false;
  size_t at = name.rfind('@');
  if (at == std::string_view::npos) return false;
  image = name.substr(0, at);
  digest = name.substr(at + 1);
  return true;
}

}  // namespace bk::llb
