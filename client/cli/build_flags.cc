#include "client/cli/build_flags.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/go_parse.h"
#include "base/log.h"
#include "base/os/file.h"

namespace bk::client {
namespace {

constexpr std::string_view kBuildArg = "build-arg:";
constexpr const char* kPassedVariables[] = {"SOURCE_DATE_EPOCH"};

bool Cut(const std::string& text, std::string& key, std::string& value) {
  size_t equals = text.find('=');
  if (equals == std::string::npos) return false;
  key = text.substr(0, equals);
  value = text.substr(equals + 1);
  return true;
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

absl::StatusOr<Attributes> AttributeMap(const Texts& texts) {
  Attributes out;
  std::string key, value;
  for (const std::string& text : texts) {
    if (!Cut(text, key, value)) return InvalidArgument("invalid value ", text);
    out[key] = value;
  }
  return out;
}

// A directory without links, or the error of the first part that is not there.
absl::StatusOr<std::string> ResolveDirectory(const std::string& path) {
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    std::string part = path.substr(0, end);
    struct stat st;
    if (lstat(part.c_str(), &st) != 0) return ErrnoError(errno, StrCat("resolve : lstat ", part));
  }
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return ErrnoError(errno, StrCat("resolve : lstat ", path));
  struct stat st;
  if (stat(resolved, &st) != 0) return ErrnoError(errno, StrCat("stat ", path));
  if (!S_ISDIR(st.st_mode)) return ErrnoError(ENOTDIR, StrCat("stat ", path));
  return std::string(resolved);
}

// Fills type and attributes of a list of fields.
absl::Status ParseTyped(const std::string& text, std::string& type, Attributes& attrs) {
  BK_TRY(auto fields, ParseCsvLine(text));
  std::string key, value;
  for (const std::string& field : fields) {
    if (!Cut(field, key, value)) return InvalidArgument("invalid value ", field);
    key = Lower(key);
    (key == "type" ? type : attrs[key]) = value;
  }
  return absl::OkStatus();
}

absl::StatusOr<os::UniqueFd> OpenOutputFile(const std::string& type, const std::string& dest) {
  if (dest.empty() || dest == "-") {
    if (isatty(STDOUT_FILENO) != 0) return FailedPrecondition("output file is required for ", type, " exporter. refusing to write to console");
    os::UniqueFd out(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!out) return ErrnoError(errno, "stdout");
    return out;
  }
  struct stat st;
  if (stat(dest.c_str(), &st) == 0) {
    if (S_ISDIR(st.st_mode)) return InvalidArgument("destination file is a directory");
  } else if (errno != ENOENT) {
    return ErrnoError(errno, StrCat("invalid destination file: ", dest, ": stat ", dest));
  }
  os::UniqueFd file(open(dest.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file) return ErrnoError(errno, "open " + dest);
  return file;
}

absl::Status OpenDestination(ExportEntry& entry) {
  std::string dest = entry.attrs.contains("dest") ? entry.attrs["dest"] : "";
  bool archive = entry.type == "oci" || entry.type == "docker";
  auto tar = entry.attrs.find("tar");
  bool as_tar = tar == entry.attrs.end() || ParseBool(tar->second).value_or(true);
  if (entry.type == "local" || (archive && !as_tar)) {
    if (dest.empty()) return InvalidArgument("output directory is required for ", entry.type, " exporter");
    entry.directory = dest;
  } else if (entry.type == "tar" || archive) {
    BK_ASSIGN(entry.file, OpenOutputFile(entry.type, dest));
  } else if (!dest.empty()) {
    return InvalidArgument("output ", dest, " is not supported by ", entry.type, " exporter");
  } else {
    return absl::OkStatus();
  }
  entry.attrs.erase("dest");
  return absl::OkStatus();
}

// GitHub's cache is told by variables of its runners.
absl::Status AddGithubVariables(Attributes& attrs) {
  auto variable = [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  std::string version = attrs.contains("version") ? attrs["version"] : "";
  if (!attrs.contains("version") && ParseBool(variable("ACTIONS_CACHE_SERVICE_V2").value_or("")).value_or(false)) version = "2";
  if (!attrs.contains("url_v2") && version == "2") {
    if (auto url = variable("ACTIONS_RESULTS_URL")) attrs["url_v2"] = *url;
  }
  if (!attrs.contains("url")) {
    auto url = variable("ACTIONS_CACHE_URL");
    if (!url) url = variable("ACTIONS_RESULTS_URL");
    if (url) attrs["url"] = *url;
  }
  if (!attrs.contains("url") && !attrs.contains("url_v2")) return InvalidArgument("cache with type gha requires url parameter to be set");
  if (attrs.contains("token")) return absl::OkStatus();
  auto token = variable("ACTIONS_RUNTIME_TOKEN");
  if (!token) return InvalidArgument("cache with type gha requires token parameter or $ACTIONS_RUNTIME_TOKEN");
  attrs["token"] = *token;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Attributes> ParseOpts(const Texts& opts) {
  Texts resolved;
  for (const char* name : kPassedVariables) {
    if (const char* value = std::getenv(name)) resolved.push_back(StrCat(kBuildArg, name, "=", value));
  }
  for (const std::string& opt : opts) {
    bool bare = opt.starts_with(kBuildArg) && opt.size() > kBuildArg.size() && opt.find('=') == std::string::npos;
    if (!bare) {
      resolved.push_back(opt);
    } else if (const char* value = std::getenv(opt.c_str() + kBuildArg.size())) {
      resolved.push_back(StrCat(opt, "=", value));
    }
  }
  return AttributeMap(resolved);
}

absl::StatusOr<std::map<std::string, std::string>> ParseLocals(const Texts& locals) {
  BK_TRY(Attributes directories, AttributeMap(locals));
  for (auto& [name, path] : directories) BK_ASSIGN(path, ResolveDirectory(path));
  return directories;
}

absl::StatusOr<std::map<std::string, std::shared_ptr<BlobStore>>> ParseOciLayouts(const Texts& layouts) {
  std::map<std::string, std::shared_ptr<BlobStore>> out;
  std::string id, path;
  for (const std::string& text : layouts) {
    if (!Cut(text, id, path)) return InvalidArgument("oci-layout option must be 'id=path/to/layout', instead had invalid ", text);
    auto store = BlobStore::Open(path);
    if (!store.ok()) return Annotate(store.status(), StrCat("oci-layout context at ", path, " failed to initialize"));
    out[id] = *std::move(store);
  }
  return out;
}

absl::StatusOr<ExportEntry> ParseOutput(const std::string& text) {
  ExportEntry entry;
  BK_RETURN_IF_ERROR(ParseTyped(text, entry.type, entry.attrs));
  if (entry.type.empty()) return InvalidArgument("--output requires type=<type>");
  if (auto it = entry.attrs.find("output"); it != entry.attrs.end()) {
    return InvalidArgument("output=", it->second, " not supported for --output, you meant dest=", it->second, "?");
  }
  BK_RETURN_IF_ERROR(Annotate(OpenDestination(entry), "invalid output option: output"));
  return entry;
}

absl::StatusOr<CacheEntry> ParseCache(const std::string& text, CacheUse use) {
  bool exporting = use == CacheUse::kExport;
  const char* flag = exporting ? "--export-cache" : "--import-cache";
  CacheEntry entry;
  if (text.find("type=") == std::string::npos) {
    log::Warning(StrCat(flag, " <ref> is deprecated. Please use ", flag, " type=registry,ref=<ref>,<opt>=<optval>[,<opt>=<optval>] instead", exporting ? "" : "."));
    entry.type = "registry";
    entry.attrs["ref"] = text;
  } else {
    BK_RETURN_IF_ERROR(ParseTyped(text, entry.type, entry.attrs));
    if (entry.type.empty()) return InvalidArgument(flag, " requires type=<type>");
  }
  if (exporting) entry.attrs.try_emplace("mode", "min");
  if (entry.type == "gha") BK_RETURN_IF_ERROR(AddGithubVariables(entry.attrs));
  return entry;
}

absl::StatusOr<SecretSource> ParseSecret(const std::string& text) {
  auto fields = ParseCsvLine(text);
  if (!fields.ok()) return Annotate(fields.status(), "failed to parse csv secret");
  SecretSource source;
  std::string type, key, value;
  for (const std::string& field : *fields) {
    if (!Cut(field, key, value)) return InvalidArgument("invalid field '", field, "' must be a key=value pair");
    key = Lower(key);
    if (key == "type") {
      if (value != "file" && value != "env") return InvalidArgument("unsupported secret type ", Quote(value));
      type = value;
    } else if (key == "id") {
      source.id = value;
    } else if (key == "source" || key == "src") {
      source.file_path = value;
    } else if (key == "env") {
      source.env = value;
    } else {
      return InvalidArgument("unexpected key '", key, "' in '", field, "'");
    }
  }
  if (type == "env" && source.env.empty()) std::swap(source.env, source.file_path);
  return source;
}

absl::StatusOr<Entitlement> ParseEntitlement(const std::string& text) {
  Entitlement out{text, false, {}};
  if (text == "network.host" || text == "security.insecure") return out;
  std::string name = text, rest, key, value;
  Cut(text, name, rest);
  if (name != "device") return InvalidArgument("unknown entitlement ", text);
  out.name = name;
  out.all_devices = rest.empty();
  if (rest.empty()) return out;
  BK_TRY(auto fields, ParseCsvLine(rest));
  std::string alias;
  for (size_t i = 1; i < fields.size(); i++) {
    if (!Cut(fields[i], key, value)) return InvalidArgument("invalid device config ", Quote(fields[i]));
    if (key != "alias") return InvalidArgument("unknown device config key ", Quote(key));
    alias = value;
  }
  if (alias.empty()) {
    out.devices[fields[0]] = "";
  } else {
    out.devices[alias] = fields[0];
  }
  return out;
}

}  // namespace bk::client
