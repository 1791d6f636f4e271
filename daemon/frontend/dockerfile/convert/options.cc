#include "daemon/frontend/dockerfile/convert/options.h"

#include <arpa/inet.h>

#include <nlohmann/json.hpp>

#include "base/go_parse.h"
#include "base/split.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/remote_source.h"

namespace bk::dockerfile {
namespace {

using Opts = std::map<std::string, std::string>;

std::string Get(const Opts& opts, const std::string& key) {
  auto found = opts.find(key);
  return found == opts.end() ? "" : found->second;
}

std::map<std::string, std::string> WithPrefix(const Opts& opts, std::string_view prefix) {
  std::map<std::string, std::string> out;
  for (auto it = opts.lower_bound(std::string(prefix)); it != opts.end() && it->first.starts_with(prefix); ++it) {
    out[it->first.substr(prefix.size())] = it->second;
  }
  return out;
}

absl::Status CheckRemoved(const Opts& opts) {
  if (!Get(opts, "override-copy-image").empty()) return InvalidArgument("support for \"override-copy-image\" was removed in BuildKit 0.11");
  auto disabled = ParseBool(Get(opts, "build-arg:BUILDKIT_DISABLE_FILEOP"));
  if (disabled.ok() && *disabled) return InvalidArgument("support for \"BUILDKIT_DISABLE_FILEOP\" build-arg was removed in BuildKit 0.11");
  return absl::OkStatus();
}

std::string ContextOf(const Opts& opts) { return Get(opts, opts.contains("contextkey") ? Get(opts, "contextkey") : "context"); }

// Ways to give a build its files that this frontend does not know.
absl::Status CheckSupported(const Opts& opts) {
  if (opts.contains("attest:sbom")) return Unimplemented("SBOM attestations are not supported (leave out attest:sbom)");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Platform>> TargetPlatforms(const std::string& text) {
  std::vector<Platform> platforms;
  if (text.empty()) return platforms;
  for (std::string_view one : Split(text, ',')) {
    auto platform = ParsePlatform(one);
    if (!platform.ok()) return Annotate(platform.status(), StrCat("failed to parse target platform ", one));
    platforms.push_back(NormalizePlatform(*std::move(platform)));
  }
  return platforms;
}

// As Go prints an address.
std::optional<std::string> CanonicalIp(const std::string& text) {
  char buffer[INET6_ADDRSTRLEN];
  unsigned char bytes[16];
  if (text.find(':') == std::string::npos) {
    if (inet_pton(AF_INET, text.c_str(), bytes) != 1) return std::nullopt;
    return inet_ntop(AF_INET, bytes, buffer, sizeof buffer);
  }
  if (inet_pton(AF_INET6, text.c_str(), bytes) != 1) return std::nullopt;
  std::string out = inet_ntop(AF_INET6, bytes, buffer, sizeof buffer);
  return out.starts_with("::ffff:") && out.find('.') != std::string::npos ? out.substr(7) : out;
}

absl::StatusOr<std::vector<pb::HostIP>> ExtraHosts(const std::string& text) {
  std::vector<pb::HostIP> hosts;
  if (text.empty()) return hosts;
  BK_TRY(auto fields, ParseCsvLine(text));
  for (const std::string& field : fields) {
    std::string pair = ToLower(field);
    size_t equals = pair.find('=');
    if (equals == std::string::npos) return InvalidArgument("invalid key-value pair ", field);
    std::string address = pair.substr(equals + 1);
    auto ip = CanonicalIp(address);
    if (!ip) return InvalidArgument("failed to parse IP ", address);
    pb::HostIP host;
    host.set_host(pair.substr(0, equals));
    host.set_ip(*ip);
    hosts.push_back(std::move(host));
  }
  return hosts;
}

absl::StatusOr<pb::Ulimit> OneUlimit(const std::string& text) {
  static const std::set<std::string> names = {"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
                                              "rss", "rtprio", "rttime", "sigpending", "stack"};
  size_t equals = text.find('=');
  if (equals == std::string::npos) return InvalidArgument("invalid ulimit argument: ", text);
  std::string name = text.substr(0, equals), value = text.substr(equals + 1);
  if (!names.contains(name)) return InvalidArgument("invalid ulimit type: ", name);
  std::vector<std::string_view> limits = Split(value, ':');
  if (limits.size() > 2) {
    return InvalidArgument("too many limit value arguments - ", value, ", can only have up to two, `soft[:hard]`");
  }
  BK_TRY(int64_t hard, ParseInt(limits.back()));
  BK_TRY(int64_t soft, ParseInt(limits[0]));
  constexpr std::string_view kOrder = "ulimit soft limit must be less than or equal to hard limit: ";
  if (hard != -1 && soft == -1) return InvalidArgument(kOrder, "soft: -1 (unlimited), hard: ", hard);
  if (hard != -1 && soft > hard) return InvalidArgument(kOrder, soft, " > ", hard);
  pb::Ulimit limit;
  limit.set_name(name);
  limit.set_soft(soft);
  limit.set_hard(hard);
  return limit;
}

absl::StatusOr<std::vector<pb::Ulimit>> Ulimits(const std::string& text) {
  std::vector<pb::Ulimit> limits;
  if (text.empty()) return limits;
  BK_TRY(auto fields, ParseCsvLine(text));
  for (const std::string& field : fields) {
    BK_TRY(pb::Ulimit limit, OneUlimit(field));
    limits.push_back(std::move(limit));
  }
  return limits;
}

absl::Status CheckCpuset(const std::string& text) {
  constexpr int64_t kMaxCpu = 8192;
  auto number = [](std::string_view word) { return ParseInt(word); };
  for (std::string_view given : Split(text, ',')) {
    std::string_view part = TrimSpace(given);
    if (part.empty()) continue;
    size_t dash = part.find('-');
    if (dash == std::string_view::npos) {
      auto n = number(part);
      if (!n.ok() || *n < 0) return InvalidArgument("invalid cpuset element ", Quote(part));
      if (*n > kMaxCpu) return InvalidArgument("cpuset element ", Quote(part), " exceeds maximum ", kMaxCpu);
      continue;
    }
    auto low = number(TrimSpace(part.substr(0, dash))), high = number(TrimSpace(part.substr(dash + 1)));
    if (!low.ok() || !high.ok() || *low < 0 || *high < *low) return InvalidArgument("invalid cpuset range ", Quote(part));
    if (*high > kMaxCpu) return InvalidArgument("cpuset range ", Quote(part), " exceeds maximum ", kMaxCpu);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<pb::LinuxResources>> Resources(const Opts& opts) {
  pb::LinuxResources out;
  bool any = false;
  struct Row {
    const char* key;
    bool is_unsigned;
    std::function<void(int64_t)> set;
  };
  const Row rows[] = {{"memory", false, [&](int64_t v) { out.set_memory(v); }},
                      {"memswap", false, [&](int64_t v) { out.set_memoryswap(v); }},
                      {"cpushares", true, [&](int64_t v) { out.set_cpushares(static_cast<uint64_t>(v)); }},
                      {"cpuperiod", true, [&](int64_t v) { out.set_cpuperiod(static_cast<uint64_t>(v)); }},
                      {"cpuquota", false, [&](int64_t v) { out.set_cpuquota(v); }}};
  for (const Row& row : rows) {
    std::string text = Get(opts, row.key);
    if (text.empty()) continue;
    std::string prefix = StrCat("invalid ", row.key, " value: ", text);
    int64_t value = 0;
    absl::Status status;
    if (row.is_unsigned) {
      auto parsed = ParseUint(text);
      status = parsed.status();
      if (parsed.ok()) value = static_cast<int64_t>(*parsed);
    } else {
      auto parsed = ParseInt(text);
      status = parsed.status();
      if (parsed.ok()) value = *parsed;
    }
    if (!status.ok()) return Annotate(status, prefix);
    bool swap = std::string_view(row.key) == "memswap";
    if (swap && (value < -1 || value == 0)) return InvalidArgument(prefix, ": must be -1 (unlimited) or > 0");
    if (!swap && (row.is_unsigned ? value == 0 : value <= 0)) return InvalidArgument(prefix, ": must be > 0");
    row.set(value);
    any = true;
  }
  for (const char* key : {"cpusetcpus", "cpusetmems"}) {
    std::string text = Get(opts, key);
    if (text.empty()) continue;
    if (auto status = CheckCpuset(text); !status.ok()) return Annotate(status, StrCat("invalid ", key, " value: ", text));
    std::string_view(key) == "cpusetcpus" ? out.set_cpusetcpus(text) : out.set_cpusetmems(text);
    any = true;
  }
  if (!any) return std::nullopt;
  return out;
}

absl::StatusOr<std::vector<frontend::CacheImport>> CacheImports(const Opts& opts) {
  std::vector<frontend::CacheImport> imports;
  if (std::string text = Get(opts, "cache-imports"); !text.empty()) {
    auto json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_array() && !json.is_null()) {
      return InvalidArgument("failed to unmarshal cache-imports (", Quote(text), "): not a JSON list of cache options");
    }
    for (const auto& item : json) {
      if (!item.is_object()) return InvalidArgument("failed to unmarshal cache-imports (", Quote(text), "): entry is no object");
      frontend::CacheImport import;
      if (item.contains("Type") && item["Type"].is_string()) import.type = item["Type"].get<std::string>();
      if (item.contains("Attrs") && item["Attrs"].is_object()) {
        for (const auto& [key, value] : item["Attrs"].items()) {
          if (value.is_string()) import.attrs[key] = value.get<std::string>();
        }
      }
      imports.push_back(std::move(import));
    }
  }
  if (std::string text = Get(opts, "cache-from"); !text.empty()) {
    for (std::string_view ref : Split(text, ',')) imports.push_back({"registry", {{"ref", std::string(ref)}}});
  }
  return imports;
}

absl::Status ReadMultiPlatform(const Opts& opts, BuildOptions& out) {
  out.multi_platform = out.target_platforms.size() > 1;
  std::string text = Get(opts, "build-arg:BUILDKIT_MULTI_PLATFORM");
  if (text.empty()) text = Get(opts, "multi-platform");
  if (text.empty()) return absl::OkStatus();
  auto value = ParseBool(text);
  if (!value.ok()) return InvalidArgument("invalid boolean value for multi-platform: ", text);
  if (!*value && out.multi_platform) return InvalidArgument("conflicting config: returning multiple target platforms is not allowed");
  out.multi_platform = *value;
  return absl::OkStatus();
}

absl::StatusOr<pb::NetMode> Network(const std::string& text) {
  if (text.empty() || text == "sandbox") return pb::NetMode::UNSET;
  if (text == "none") return pb::NetMode::NONE;
  if (text == "host") return pb::NetMode::HOST;
  return InvalidArgument("invalid netmode ", text);
}

template <typename T>
absl::StatusOr<T> Labelled(absl::StatusOr<T> value, std::string_view what) {
  return value.ok() ? std::move(value) : Annotate(value.status(), what);
}

absl::StatusOr<std::optional<frontend::GitRequest>> GitContextOf(const Opts& opts) {
  BK_TRY(std::optional<frontend::GitRequest> request, frontend::ParseGitRequest(ContextOf(opts)));
  if (!request) return request;
  auto keep = ParseBool(Get(opts, "build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR"));
  if (keep.ok() && *keep) request->git.keep_git_dir = true;
  if (request->git.mtime.empty() && !Get(opts, "build-arg:SOURCE_DATE_EPOCH").empty()) request->git.mtime = "commit";
  return request;
}

constexpr char kCheckArgument[] = "build-arg:BUILDKIT_DOCKERFILE_CHECK";

}  // namespace

bool BuildOptions::IgnoresCache(std::string_view stage) const {
  if (no_cache_all) return true;
  for (const std::string& name : no_cache_stages) {
    if (EqualFold(name, stage)) return true;
  }
  return false;
}

absl::StatusOr<BuildOptions> ParseBuildOptions(const Opts& opts, const Platform& build_platform) {
  BuildOptions out;
  BK_RETURN_IF_ERROR(CheckRemoved(opts));
  BK_RETURN_IF_ERROR(CheckSupported(opts));
  out.build_platform = build_platform;
  BK_TRY(out.target_platforms, TargetPlatforms(Get(opts, "platform")));
  std::string mode = Get(opts, "image-resolve-mode");
  if (!mode.empty() && mode != "default" && mode != "pull" && mode != "local") return InvalidArgument("invalid image-resolve-mode: ", mode);
  out.resolve_mode = mode == "default" ? "" : mode;
  BK_TRY(out.extra_hosts, Labelled(ExtraHosts(Get(opts, "add-hosts")), "failed to parse additional hosts"));
  if (std::string size = Get(opts, "shm-size"); !size.empty()) {
    BK_TRY(out.shm_size_bytes, Labelled(ParseInt(size), "failed to parse shm size"));
  }
  BK_TRY(out.ulimits, Labelled(Ulimits(Get(opts, "ulimit")), "failed to parse ulimit"));
  BK_TRY(out.linux_resources, Labelled(Resources(opts), "failed to parse resource limits"));
  BK_TRY(out.network, Network(Get(opts, "force-network-mode")));
  if (auto no_cache = opts.find("no-cache"); no_cache != opts.end()) {
    out.no_cache_all = no_cache->second.empty();
    if (!out.no_cache_all) {
      auto stages = Split(no_cache->second, ',');
      out.no_cache_stages.assign(stages.begin(), stages.end());
    }
  }
  BK_RETURN_IF_ERROR(ReadMultiPlatform(opts, out));
  BK_TRY(out.cache_imports, CacheImports(opts));
  out.build_args = WithPrefix(opts, "build-arg:");
  out.labels = WithPrefix(opts, "label:");
  out.cache_id_namespace = Get(opts, "build-arg:BUILDKIT_CACHE_MOUNT_NS");
  out.cgroup_parent = Get(opts, "cgroup-parent");
  out.target = Get(opts, "target");
  out.hostname = Get(opts, "build-arg:BUILDKIT_SANDBOX_HOSTNAME");
  if (out.hostname.empty()) out.hostname = Get(opts, "hostname");
  if (auto check = opts.find(kCheckArgument); check != opts.end()) {
    BK_TRY(out.lint, Labelled(ParseLintConfig(check->second), StrCat("failed to parse ", kCheckArgument)));
  }
  out.local_session_ids = WithPrefix(opts, "local-sessionid:");
  out.named_contexts = WithPrefix(opts, "context:");
  out.input_metadata = WithPrefix(opts, "input-metadata:");
  out.shared_keys = WithPrefix(opts, "sharedkey:localdir:");
  if (opts.contains("filename")) out.filename = Get(opts, "filename");
  BK_ASSIGN(out.context_git, GitContextOf(opts));
  if (std::string context = ContextOf(opts); !out.context_git && IsHttpSource(context)) out.context_url = context;
  if (auto subdir = opts.find("contextsubdir"); subdir != opts.end()) out.context_subdir = subdir->second;
  out.local_dockerfile = opts.contains("dockerfilekey");
  if (out.local_dockerfile) out.dockerfile_name = Get(opts, "dockerfilekey");
  return out;
}

}  // namespace bk::dockerfile
