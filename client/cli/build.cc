#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/digest.h"
#include "base/id.h"
#include "base/log.h"
#include "base/os/file.h"
#include "client/cli/access_flags.h"
#include "client/cli/build_flags.h"
#include "client/cli/build_progress.h"
#include "client/cli/cache_metrics.h"
#include "client/cli/connect.h"
#include "client/cli/lock_flags.h"
#include "client/cli/metadata_file.h"
#include "client/cli/source_policy.h"
#include "client/cli/verbs.h"
#include "client/progress/terminal.h"
#include "client/session/auth.h"
#include "client/session/secrets.h"
#include "client/session/ssh_agent.h"
#include "client/solve/export_targets.h"
#include "client/solve/solve.h"

namespace bk::client {
namespace {

using flags::Values;

constexpr uint64_t kMaxDefinitionBytes = 256 << 20;
constexpr uint64_t kMaxPolicyBytes = 16 << 20;
constexpr char kResultPrefix[] = "result.";

// Mistakes in these values are told before a daemon is asked for.
absl::Status CheckAccess(const Values& values) {
  BK_RETURN_IF_ERROR(ParseRegistryTls(values.Strings("registry-auth-tlscontext")));
  for (const std::string& text : values.Strings("ssh")) BK_RETURN_IF_ERROR(ParseSsh(text));
  return absl::OkStatus();
}

// Marks every operation as one that must run again.
absl::Status IgnoreCache(pb::Definition& definition) {
  for (const std::string& bytes : definition.def()) {
    pb::Op op;
    if (!op.ParseFromString(bytes)) return InvalidArgument("failed to parse llb proto op");
    (*definition.mutable_metadata())[DigestOf(bytes).str()].set_ignore_cache(true);
  }
  return absl::OkStatus();
}

// All of stdin; ends early when cancelled.
absl::StatusOr<std::string> ReadStdin(const CancelToken& cancel) {
  std::string bytes, piece(64 << 10, '\0');
  pollfd fds[2] = {{STDIN_FILENO, POLLIN, 0}, {cancel.fd(), POLLIN, 0}};
  while (bytes.size() <= kMaxDefinitionBytes) {
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return ErrnoError(errno, "poll");
    BK_RETURN_IF_ERROR(cancel.Check());
    if (fds[0].revents == 0) continue;
    ssize_t n = read(STDIN_FILENO, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, "read stdin");
    if (n == 0) return bytes;
    bytes.append(piece, 0, static_cast<size_t>(n));
  }
  return ResourceExhausted("definition on stdin is larger than ", kMaxDefinitionBytes, " bytes");
}

absl::StatusOr<pb::Definition> ReadDefinition(const CancelToken& cancel, bool no_cache) {
  struct stat st;
  if (fstat(STDIN_FILENO, &st) != 0 || S_ISCHR(st.st_mode)) return InvalidArgument("please specify --frontend or pipe LLB definition to stdin");
  BK_TRY(std::string bytes, ReadStdin(cancel));
  pb::Definition definition;
  if (!definition.ParseFromString(bytes)) return InvalidArgument("failed to parse input: proto: not a definition");
  if (no_cache) BK_RETURN_IF_ERROR(IgnoreCache(definition));
  if (definition.def().empty()) return InvalidArgument("empty definition sent to build. Specify --frontend instead?");
  return definition;
}

absl::StatusOr<os::UniqueFd> OpenTrace(const std::string& path) {
  if (path.empty()) return os::UniqueFd();
  os::UniqueFd file(open(path.c_str(), O_APPEND | O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  if (!file) return ErrnoError(errno, "open " + path);
  log::Info("tracing logs to " + path);
  return file;
}

absl::StatusOr<std::optional<moby::buildkit::v1::sourcepolicy::Policy>> ReadSourcePolicy(std::string path) {
  if (const char* preset = std::getenv("EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"); path.empty() && preset != nullptr) path = preset;
  if (path.empty()) return std::nullopt;
  auto text = os::ReadFile(path, kMaxPolicyBytes);
  if (!text.ok()) return text.status();
  auto policy = ParseSourcePolicy(*text);
  if (!policy.ok()) return Annotate(policy.status(), StrCat("failed to unmarshal source-policy-file ", Quote(path)));
  return *std::move(policy);
}

// In the order in which the reference reads them: the first mistake is the one that is told.
absl::StatusOr<SolveOptions> ReadOptions(const CancelToken& cancel, const Values& values) {
  SolveOptions options;
  options.ref = NewId();
  options.frontend = values.String("frontend");
  if (Texts agents = values.Strings("ssh"); !agents.empty()) {
    std::vector<SshAgentSource> sources;
    for (const std::string& text : agents) {
      BK_TRY(SshAgent agent, ParseSsh(text));
      sources.push_back({agent.id, agent.paths.value_or(std::vector<std::string>()), agent.raw});
    }
    BK_TRY(auto service, MakeSshAgents(sources));
    options.services.push_back({kSshName, std::move(service)});
  }
  if (Texts secrets = values.Strings("secret"); !secrets.empty()) {
    std::vector<SecretSource> sources;
    for (const std::string& text : secrets) {
      BK_TRY(SecretSource source, ParseSecret(text));
      sources.push_back(std::move(source));
    }
    BK_TRY(auto service, MakeSecrets(sources));
    options.services.push_back({kSecretsName, std::move(service)});
  }
  options.entitlements = values.Strings("allow");
  for (const std::string& text : options.entitlements) BK_RETURN_IF_ERROR(ParseEntitlement(text));
  for (const std::string& text : values.Strings("output")) {
    BK_TRY(ExportEntry entry, ParseOutput(text));
    options.exports.push_back(std::move(entry));
  }
  for (const std::string& text : values.Strings("export-cache")) {
    BK_TRY(CacheEntry entry, ParseCache(text, CacheUse::kExport));
    options.cache_exports.push_back(std::move(entry));
  }
  for (const std::string& text : values.Strings("import-cache")) {
    BK_TRY(CacheEntry entry, ParseCache(text, CacheUse::kImport));
    options.cache_imports.push_back(std::move(entry));
  }
  BK_ASSIGN(options.source_policy, ReadSourcePolicy(values.String("source-policy-file")));
  auto prefixed = [](auto result, const char* prefix) { return result.ok() ? result : decltype(result)(Annotate(result.status(), prefix)); };
  BK_ASSIGN(options.frontend_attrs, prefixed(ParseOpts(values.Strings("opt")), "invalid opt"));
  BK_ASSIGN(options.local_directories, prefixed(ParseLocals(values.Strings("local")), "invalid local"));
  BK_ASSIGN(options.oci_layouts, prefixed(ParseOciLayouts(values.Strings("oci-layout")), "invalid oci-layout"));
  BK_ASSIGN(options.lock, ReadLockOptions(values));
  if (options.lock.record && options.frontend_attrs.contains("requestid")) return InvalidArgument("--lock: requestid builds nothing, so there is nothing to lock");
  options.proxy_network = values.Bool("proxy-network");
  options.keep_alive = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::nanoseconds(values.DurationNs("keep-alive")));
  if (options.frontend.empty()) {
    BK_ASSIGN(options.definition, ReadDefinition(cancel, values.Bool("no-cache")));
  } else if (values.Bool("no-cache")) {
    options.frontend_attrs["no-cache"] = "";
  }
  return options;
}

std::string ProgressMode(const Values& values) {
  std::string mode = values.String("progress");
  const char* preferred = std::getenv("BUILDKIT_PROGRESS");
  return mode == "auto" && preferred != nullptr && *preferred != 0 ? preferred : mode;
}

// The answer of a subrequest goes to stdout: its text form if there is one.
void PrintSubrequest(const Attributes& metadata) {
  if (auto text = metadata.find("result.txt"); text != metadata.end()) {
    Print(stdout, text->second);
    return;
  }
  for (const auto& [key, value] : metadata) {
    if (key.starts_with(kResultPrefix)) Print(stdout, StrCat(key, "\n", value, "\n"));
  }
}

// The build proper, on a daemon that is there.
absl::Status RunBuild(const CancelToken& cancel, const Values& values, const Connection& connection) {
  BK_TRY(os::UniqueFd trace, OpenTrace(values.String("trace")));
  BK_TRY(auto metrics, CacheMetrics::Open(values.String("debug-json-cache-metrics")));
  BK_TRY(SolveOptions options, ReadOptions(cancel, values));
  std::string ref = options.ref, ref_file = values.String("ref-file"), metadata_file = values.String("metadata-file");
  BK_TRY(auto display, MakeDisplay(ProgressMode(values), stderr, STDERR_FILENO));
  BuildProgress progress(std::move(display), std::move(trace));
  std::string docker_directory = DockerConfig::DefaultDirectory();
  auto note = [&progress](const std::string& name) { progress.Note(name); };
  BK_TRY(auto tls, ParseRegistryTls(values.Strings("registry-auth-tlscontext")));
  options.services.push_back({kAuthName, MakeAuth(DockerConfig::Load(docker_directory), docker_directory, std::move(tls), note)});
  options.note = note;
  auto result = Solve(cancel, connection, std::move(options), [&](const auto& status) {
    if (metrics != nullptr) metrics->Add(status);
    progress.FromDaemon(status);
  });
  progress.Finish(result.status());
  if (metrics != nullptr) BK_RETURN_IF_ERROR(metrics->Write());
  if (!ref_file.empty()) BK_RETURN_IF_ERROR(WriteOutputFile(ref_file, ref));
  BK_RETURN_IF_ERROR(result);
  for (const auto& [key, value] : result->exporter_response) log::Debug(StrCat("exporter response: ", key, "=", value));
  if (!metadata_file.empty() && !result->exporter_response.empty()) {
    BK_RETURN_IF_ERROR(WriteOutputFile(metadata_file, MetadataJson(result->exporter_response)));
  }
  BK_RETURN_IF_ERROR(WriteLock(values, result->lock_text));
  PrintSubrequest(result->frontend_metadata);
  return absl::OkStatus();
}

absl::Status Run(const CancelToken& cancel, const Values& values) {
  BK_RETURN_IF_ERROR(CheckAccess(values));
  BK_TRY(auto connection, Connect(cancel, values));
  return RunBuild(cancel, values, *connection);
}

}  // namespace

flags::Command MakeBuild(const CancelToken& cancel) {
  using flags::Kind;
  flags::Command command{"build", {"b"}, "build"};
  command.usage_text = "\n"
      "\tTo build and push an image using Dockerfile:\n"
      "\t  $ buildctl build --frontend dockerfile.v0 --opt target=foo --opt build-arg:foo=bar --local context=. --local dockerfile=. "
      "--output type=image,name=docker.io/username/image,push=true\n\t";
  command.flags = {
      {"output", Kind::kStrings, "Define exports for build result, e.g. --output type=image,name=docker.io/username/image,push=true", {"o"}},
      {"progress", Kind::kString, "Set type of progress (auto, plain, tty, rawjson). Use plain to show container output", {}, "auto"},
      {"trace", Kind::kString, "Path to trace file. Defaults to no tracing."},
      {"local", Kind::kStrings, "Allow build access to the local directory"},
      {"oci-layout", Kind::kStrings, "Allow build access to the local OCI layout"},
      {"frontend", Kind::kString, "Define frontend used for build"},
      {"opt", Kind::kStrings, "Define custom options for frontend, e.g. --opt target=foo --opt build-arg:foo=bar"},
      {"no-cache", Kind::kBool, "Disable cache for all the vertices"},
      {"export-cache", Kind::kStrings,
       "Export build cache, e.g. --export-cache type=registry,ref=example.com/foo/bar, or --export-cache type=local,dest=path/to/dir"},
      {"import-cache", Kind::kStrings,
       "Import build cache, e.g. --import-cache type=registry,ref=example.com/foo/bar, or --import-cache type=local,src=path/to/dir"},
      {"secret", Kind::kStrings, "Secret value exposed to the build. Format id=secretname,src=filepath"},
      {"allow", Kind::kStrings, "Allow extra privileged entitlement, e.g. network.host, security.insecure, device"},
      {"ssh", Kind::kStrings, "Allow forwarding SSH agent or a raw Unix socket to the builder. Format default|<id>[=<socket>[,raw=false]|<key>[,<key>]]"},
      {"metadata-file", Kind::kString, "Output build metadata (e.g., image digest) to a file as JSON"},
      {"source-policy-file", Kind::kString, "Read source policy file from a JSON file"},
      {"lock", Kind::kString, "Write what images, git refs and URLs resolved to into a lock file"},
      {"locked", Kind::kBool, "Accept nothing but what the lock file says"},
      {"offline", Kind::kBool, "Open no connection for the build's sources"},
      {"keep-alive", Kind::kDuration, "How long the build of a daemon on another machine waits for this client when the connection breaks (0: it ends)", {}, "30s"},
      {"proxy-network", Kind::kBool, "Run build with proxy network enforcement"},
      {"ref-file", Kind::kString, "Write build ref to a file"},
      {"registry-auth-tlscontext", Kind::kStrings,
       "Overwrite TLS configuration when authenticating with registries, e.g. --registry-auth-tlscontext "
       "host=https://myserver:2376,insecure=false,ca=/path/to/my/ca.crt,cert=/path/to/my/cert.crt,key=/path/to/my/key.crt"},
      {"debug-json-cache-metrics", Kind::kString, "Where to output json cache metrics, use 'stdout' or 'stderr' for standard (error) output."},
  };
  command.action = [cancel](const Values& values) { return Run(cancel, values); };
  return command;
}

}  // namespace bk::client
