#include "daemon/frontend/gateway/image_frontend.h"

#include <poll.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "base/go_json.h"
#include "base/go_parse.h"
#include "base/reference.h"
#include "base/version.h"
#include "daemon/frontend/gateway/frontend_source.h"
#include "daemon/frontend/gateway/stdio_server.h"

namespace bk::frontend::gateway {
namespace {

using Opts = std::map<std::string, std::string>;

constexpr std::chrono::milliseconds kLookEvery(500), kGrace(2000), kGraceReturned(5000);
constexpr size_t kKeptErrors = 64 << 10, kShownErrors = 2 << 10;  // of what a frontend says on its standard error
constexpr char kInputsCap[] = "moby.buildkit.frontend.inputs";

// Names of "a,b+option,c".
std::set<std::string> CapsOf(std::string_view text) {
  std::set<std::string> caps;
  while (!text.empty()) {
    std::string_view cap = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), cap.size() + 1));
    cap = cap.substr(0, cap.find('+'));
    if (!cap.empty()) caps.emplace(cap);
  }
  return caps;
}

// Releases from before the label, which take inputs all the same (docker/dockerfile 1.1.6 and 1.1.7, and -experimental).
constexpr std::string_view kTakeInputs[] = {
    "sha256:9ac1c43a60e31dca741a6fe8314130a9cd4c4db0311fbbc636ff992ef60ae76d",
    "sha256:080bd74d8778f83e7b670de193362d8c593c8b14f5c8fb919d28ee8feda0d069",
    "sha256:60543a9d92b92af5088fb2938fb09b2072684af8384399e153e137fe081f8ab4",
    "sha256:de85b2f3a3e8a2f7fe48e8e84a65f6fdd5cd5183afa6412fff9caa6871649c44",
};

absl::Status CheckCaps(const FrontendSource& source, const Opts& opts, bool has_inputs) {
  auto label = source.labels.find("moby.buildkit.frontend.caps");
  std::set<std::string> has = CapsOf(label == source.labels.end() ? "" : label->second);
  if (std::find(std::begin(kTakeInputs), std::end(kTakeInputs), source.digest) != std::end(kTakeInputs)) has.insert(kInputsCap);
  auto asked = opts.find("frontend.caps");
  std::set<std::string> needs = CapsOf(asked == opts.end() ? "" : asked->second);
  if (has_inputs) needs.insert(kInputsCap);
  for (const std::string& cap : needs) {
    if (has.contains(cap)) continue;
    absl::Status status = Unimplemented("unsupported frontend capability ", cap);
    AddDetail(status, {"errdefs.FrontendCap", StrCat("{\"name\":", GoJsonString(cap), "}")});
    return status;
  }
  return absl::OkStatus();
}

std::string PlatformText(const Platform& platform) {
  GoJsonWriter out;
  out.BeginObject();
  auto add = [&](const char* key, const std::string& value, bool always) {
    if (value.empty() && !always) return;
    out.Key(key);
    out.String(value);
  };
  add("architecture", platform.architecture, true);
  add("os", platform.os, true);
  add("os.version", platform.os_version, false);
  add("variant", platform.variant, false);
  out.EndObject();
  return out.Take();
}

std::string WorkersJson(const std::vector<WorkerInfo>& workers) {
  GoJsonWriter out;
  out.BeginArray();
  for (const WorkerInfo& worker : workers) {
    out.BeginObject();
    out.Key("id");
    out.String(worker.id);
    out.Key("labels");
    out.BeginObject();
    for (const auto& [key, value] : worker.labels) {
      out.Key(key);
      out.String(value);
    }
    out.EndObject();
    out.Key("platforms");
    out.BeginArray();
    for (const Platform& platform : worker.platforms) out.Raw(PlatformText(platform));
    out.EndArray();
    out.Key("gcPolicy");
    out.Raw("null");
    out.Key("buildkitVersion");
    out.BeginObject();
    for (auto [key, value] : {std::pair("package", kPackage), {"version", kVersion}, {"revision", kRevision}, {"dockerfileVersion", kDockerfileVersion}}) {
      out.Key(key);
      out.String(value);
    }
    out.EndObject();
    out.Key("cdiDevices");
    out.Raw("null");
    out.EndObject();
  }
  out.EndArray();
  return out.Take();
}

pb::Meta MetaOf(const FrontendSource& source, const Opts& opts, const Bridge& bridge) {
  pb::Meta meta;
  for (const std::string& argument : source.entrypoint) meta.add_args(argument);
  for (const std::string& entry : source.env) meta.add_env(entry);
  int number = 0;
  for (const auto& [key, value] : opts) meta.add_env(StrCat("BUILDKIT_FRONTEND_OPT_", number++, "=", key, "=", value));
  meta.add_env("BUILDKIT_SESSION_ID=" + bridge.SessionId());
  meta.add_env("BUILDKIT_WORKERS=" + WorkersJson(bridge.Workers()));
  meta.add_env("BUILDKIT_EXPORTEDPRODUCT=buildkit");
  meta.set_cwd(source.working_dir);
  meta.set_removemountstubsrecursive(true);
  return meta;
}

bool WithoutNetwork(const FrontendSource& source) {
  auto label = source.labels.find("moby.buildkit.frontend.network.none");
  return label != source.labels.end() && ParseBool(label->second).value_or(false);
}

// The end of what a frontend says on its standard error.
class ErrorText {
 public:
  void Add(std::string_view bytes) {
    text_.With([&](std::string& text) {
      text += bytes;
      if (text.size() > 2 * kKeptErrors) text.erase(0, text.size() - kKeptErrors);
    });
  }
  std::string Take() {
    return text_.With([](std::string& text) { return std::move(text); });
  }

 private:
  Guarded<std::string> text_;
};

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

std::string LastLines(const std::string& text) {
  if (text.size() <= kShownErrors) return text;
  size_t line = text.find('\n', text.size() - kShownErrors);
  return text.substr(line == std::string::npos ? text.size() - kShownErrors : line + 1);
}

struct Outcome {
  ProcessEnd end;
  bool let_go = false;       // of its connection, while it lived
  bool ended_by_us = false;  // since it did not end by itself after that
};

// The server's end is closed, or nobody is left at the frontend's.
bool IsCut(ContainerProcess& process, int stdio) {
  pollfd connection = {stdio, POLLRDHUP, 0};
  return poll(&connection, 1, 0) > 0 || !process.ReadsInput();
}

// Waits for the frontend's end. Without its connection it can do nothing more: it has a moment to end by itself, a longer
// one when it returned what was asked for.
Outcome Follow(ContainerProcess& process, int stdio, const Forwarder& forwarder) {
  Outcome out;
  while (!process.WaitFor(kLookEvery)) {
    if (!IsCut(process, stdio)) continue;
    out.let_go = true;
    out.ended_by_us = !process.WaitFor(forwarder.is_done() ? kGraceReturned : kGrace);
    break;
  }
  if (out.ended_by_us) process.Kill();
  out.end = process.Wait();
  return out;
}

// Shells' way to say how a process was killed.
std::string SignalText(int code, const std::string& frontend) {
  const char* name = code > 128 ? sigabbrev_np(code - 128) : nullptr;
  return name == nullptr ? "" : StrCat(" (frontend ", Quote(frontend), " was killed by signal ", code - 128, ", ", name, ")");
}

absl::StatusOr<Result> SolveBuiltIn(const CancelToken& cancel, Bridge& bridge, const Opts& opts, const Inputs& inputs) {
  SolveRequest request;
  request.frontend = "dockerfile.v0";
  request.frontend_opts = opts;
  request.frontend_inputs = inputs;
  return bridge.Solve(cancel, request);
}

}  // namespace

bool IsBuiltIn(const std::string& source, const Opts& opts) {
  auto name = ImageReference::Parse(source);
  if (!name.ok() || !name->digest().empty()) return false;
  // Of this name, of a tag of it, for a platform ("::"); not of a longer name.
  std::string context = "context:" + name->familiar_name();
  for (auto replaced = opts.lower_bound(context); replaced != opts.end() && replaced->first.starts_with(context); ++replaced) {
    if (replaced->first.size() == context.size() || replaced->first[context.size()] == ':' || replaced->first[context.size()] == '@') return false;
  }
  return name->name() == "docker.io/docker/dockerfile" || name->name() == "docker.io/docker/dockerfile-upstream";
}

absl::StatusOr<std::unique_ptr<ImageFrontend>> ImageFrontend::Make(const std::vector<std::string>& allowed, ForClients for_clients) {
  std::unique_ptr<ImageFrontend> made(new ImageFrontend(for_clients));
  for (const std::string& name : allowed) {
    auto parsed = ImageReference::Parse(name);
    if (!parsed.ok()) return Annotate(parsed.status(), StrCat("allowed repository ", Quote(name)));
    made->allowed_.push_back(parsed->name());
  }
  return made;
}

absl::Status ImageFrontend::CheckAllowed(const std::string& source) const {
  if (allowed_.empty()) return absl::OkStatus();
  BK_TRY(ImageReference name, ImageReference::Parse(source));
  if (std::find(allowed_.begin(), allowed_.end(), name.name()) != allowed_.end()) return absl::OkStatus();
  return Unknown("'", source, "' is not an allowed gateway source");
}

absl::StatusOr<Result> ImageFrontend::Solve(const CancelToken& cancel, Bridge& bridge, const Opts& opts, const Inputs& inputs) {
  if (opts.contains("gateway-devel")) return Unknown("development gateway is no longer supported");
  auto name = opts.find("source");
  if (name == opts.end()) return Unknown("no source specified for gateway");
  BK_RETURN_IF_ERROR(CheckAllowed(name->second));
  if (IsBuiltIn(name->second, opts)) return SolveBuiltIn(cancel, bridge, opts, inputs);
  BK_TRY(FrontendSource source, FindFrontend(cancel, bridge, name->second, opts, inputs));
  SolveRequest request;
  request.definition = source.definition;
  BK_TRY(Result tree, bridge.Solve(cancel, request));
  if (tree.ref == nullptr) return Unknown("gateway source didn't return default result");
  BK_RETURN_IF_ERROR(CheckCaps(source, opts, !inputs.empty()));

  ContainerRequest make;
  make.id = StrCat("frontend ", name->second);
  if (make.id.size() > 200) make.id.resize(200);
  make.mounts.emplace_back();
  make.mounts[0].mount.set_dest("/");
  make.mounts[0].ref = tree.ref;
  if (WithoutNetwork(source)) make.network = pb::NetMode::NONE;
  make.files["/run/config/buildkit/metadata"]["frontend.bin"] = source.definition->SerializeAsString();
  BK_TRY(auto container, bridge.NewContainer(cancel, make));

  auto forwarder = std::make_shared<Forwarder>(bridge, inputs);
  ErrorText errors;
  BK_TRY(auto server, StdioServer::Start(forwarder, for_clients_));
  os::UniqueFd stdio = server->TakeClientEnd();
  ProcessRequest start;
  start.meta = MetaOf(source, opts, bridge);
  start.stdin_fd = start.stdout_fd = stdio.get();
  start.output = [&](int, std::string_view bytes) { errors.Add(bytes); };
  BK_TRY(auto process, container->Start(cancel, std::move(start)));
  CancelCallback on_cancel(cancel, [&] { process->Kill(); });
  Outcome outcome = Follow(*process, stdio.get(), *forwarder);
  const ProcessEnd& end = outcome.end;
  auto result = forwarder->Returned();
  std::string said = Trimmed(errors.Take());
  if (!said.empty()) bridge.Log(StrCat("[frontend] ", name->second), said + "\n");
  BK_RETURN_IF_ERROR(cancel.Check());
  // What it returned goes before how it ended; a result of one that failed by itself is none.
  bool returned_error = !result.ok() && forwarder->is_done();
  if (returned_error || (result.ok() && (end.error.ok() || outcome.ended_by_us))) return result;
  std::string last = said.empty() ? "" : ": " + LastLines(said);
  if (!result.ok() && (outcome.ended_by_us || (outcome.let_go && end.error.ok()))) return Unknown("frontend grpc server closed unexpectedly", last);
  if (end.error.ok()) return result;
  absl::Status failed = Unknown(Message(end.error), SignalText(end.code, name->second), last);
  for (ErrorDetail& detail : Details(end.error)) AddDetail(failed, std::move(detail));
  return failed;
}

}  // namespace bk::frontend::gateway
