#include "daemon/frontend/dockerfile/frontend.h"

#include "base/go_json.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/converter.h"
#include "daemon/frontend/dockerfile/convert/range_proto.h"
#include "daemon/frontend/dockerfile/parse/directive.h"
#include "daemon/frontend/dockerfile/subrequest/subrequest.h"
#include "daemon/frontend/dockerfile/warning_sink.h"
#include "proto/llb/go_json_of.h"

namespace bk::dockerfile {
namespace {

using Opts = std::map<std::string, std::string>;

constexpr std::string_view kCaps[] = {"moby.buildkit.frontend.inputs", "moby.buildkit.frontend.subrequests", "moby.buildkit.frontend.contexts",
                                      "moby.buildkit.frontend.gitquerystring"};

// What the client demands of a frontend. Unimplemented with a FrontendCap detail; `forward`: another frontend may know it.
absl::Status CheckCaps(const Opts& opts, bool& forward) {
  auto found = opts.find("frontend.caps");
  absl::Status status;
  if (found == opts.end()) return status;
  std::string_view rest = found->second;
  while (!rest.empty()) {
    size_t comma = rest.find(',');
    std::string_view cap = rest.substr(0, comma), name = cap.substr(0, cap.find('+'));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    if (std::find(std::begin(kCaps), std::end(kCaps), name) != std::end(kCaps)) continue;
    status = Unimplemented("unsupported frontend capability ", name);
    AddDetail(status, {"errdefs.FrontendCap", StrCat("{\"name\":", GoJsonString(name), "}")});
    forward = cap.find("+forward") != std::string_view::npos;
    if (!forward) return status;
  }
  return status;
}

// Details travel in trailers; clients do not take endless ones.
constexpr size_t kMaxSourceDetail = 512 << 10;

// The detail from which clients print the lines at fault, and may read the file again.
ErrorDetail SourceDetail(const llb::SourceMap& map, const Ranges& ranges) {
  pb::SourceInfo info = SourceInfoOf(map);
  if (info.definition().ByteSizeLong() + map.data.size() > kMaxSourceDetail) info.clear_definition();
  GoJsonWriter out;
  out.BeginObject();
  out.Key("info");
  out.Raw(llb::GoJsonOf(info));
  if (!ranges.empty()) {
    out.Key("ranges");
    out.BeginArray();
    for (const Range& range : ranges) out.Raw(llb::GoJsonOf(RangeToPb(range)));
    out.EndArray();
  }
  out.EndObject();
  return {"errdefs.Source", out.Take()};
}

absl::Status WithSources(absl::Status status, const llb::SourceMap& map) {
  for (const Ranges& ranges : Locations(status)) AddDetail(status, SourceDetail(map, ranges));
  return status;
}

// Hands the build over to the frontend image that the file asks for.
absl::StatusOr<frontend::Result> Forward(const CancelToken& cancel, frontend::Bridge& bridge, const Opts& opts, const FrontendInputs& inputs,
                                         const std::string& source, const std::string& cmdline) {
  frontend::SolveRequest request;
  request.frontend = "gateway.v0";
  request.frontend_opts = opts;
  request.frontend_opts["cmdline"] = cmdline;
  request.frontend_opts["source"] = source;
  request.frontend_inputs = inputs;
  return bridge.Solve(cancel, request);
}

// The frontend to forward to, if any: BUILDKIT_SYNTAX, else the file's own directive.
absl::StatusOr<std::optional<frontend::Result>> MaybeForward(const CancelToken& cancel, frontend::Bridge& bridge, const Opts& opts,
                                                             const FrontendInputs& inputs, const llb::SourceMap& source) {
  constexpr char kArgument[] = "build-arg:BUILDKIT_SYNTAX";
  if (opts.contains("cmdline")) return std::nullopt;  // forwarded to us already
  absl::StatusOr<frontend::Result> result = frontend::Result();
  if (auto given = opts.find(kArgument); given != opts.end()) {
    std::string_view cmdline = TrimSpace(given->second);
    result = Forward(cancel, bridge, opts, inputs, std::string(cmdline.substr(0, cmdline.find(' '))), given->second);
    if (!result.ok() && !HasDetail(result.status(), "errdefs.Source")) {
      return Annotate(result.status(), StrCat("failed with ", kArgument, " = ", given->second));
    }
  } else if (auto syntax = DetectSyntax(source.data)) {
    result = Forward(cancel, bridge, opts, inputs, syntax->value, syntax->cmdline);
    if (!result.ok() && !HasDetail(result.status(), "errdefs.Source")) {
      return WithSources(AddLocation(result.status(), syntax->location), source);
    }
  } else {
    return std::nullopt;
  }
  if (!result.ok()) return result.status();
  return *std::move(result);
}

struct ExportPlatform {
  std::string id;
  Platform platform;
};

ExportPlatform ExportedAs(Platform wanted, const Platform& image) {
  Platform platform = NormalizePlatform(std::move(wanted));
  ExportPlatform out{FormatPlatformAll(platform), {}};
  if (platform.os == "windows" && image.os == "windows") {  // the base image says which Windows
    if (platform.os_version.empty()) platform.os_version = image.os_version;
    if (platform.os_features.empty()) platform.os_features = image.os_features;
  }
  out.platform = NormalizePlatform(std::move(platform));
  return out;
}

std::string PlatformsJson(const std::vector<ExportPlatform>& platforms) {
  GoJsonWriter out;
  out.BeginObject();
  out.Key("Platforms");
  out.BeginArray();
  for (const ExportPlatform& p : platforms) {
    out.BeginObject();
    out.Key("ID");
    out.String(p.id);
    out.Key("Platform");
    out.Raw(PlatformJson(p.platform));
    out.EndObject();
  }
  out.EndArray();
  out.EndObject();
  return out.Take();
}

// Builds one platform after the other and collects the results.
class Builder {
 public:
  Builder(const CancelToken& cancel, frontend::Bridge& bridge, const BuildOptions& options,
          const ConvertInput& input)
      : cancel_(cancel), bridge_(bridge), options_(options), input_(input) {}

  absl::StatusOr<frontend::Result> Run() {
    result_.is_map = options_.multi_platform;
    if (options_.target_platforms.empty()) {
      BK_RETURN_IF_ERROR(One(std::nullopt));
    }
    for (const Platform& platform : options_.target_platforms) BK_RETURN_IF_ERROR(One(platform));
    result_.metadata["refs.platforms"] = PlatformsJson(platforms_);
    return std::move(result_);
  }

 private:
  absl::Status One(const std::optional<Platform>& platform) {
    ConvertInput input = input_;
    input.target_platform = platform;
    if (!platforms_.empty()) input.findings = nullptr;  // other platforms would find the same again
    BK_TRY(Converted converted, Convert(input));
    frontend::SolveRequest request;
    request.definition = std::make_shared<const pb::Definition>(std::move(converted.definition));
    request.cache_imports = options_.cache_imports;
    BK_TRY(frontend::Result solved, bridge_.Solve(cancel_, request));
    ExportPlatform exported = ExportedAs(platform.value_or(HostPlatform()), converted.image.platform);
    std::string suffix = options_.multi_platform ? "/" + exported.id : "";
    if (options_.multi_platform) {
      result_.refs[exported.id] = solved.ref;
    } else {
      result_.ref = solved.ref;
    }
    result_.metadata["containerimage.config" + suffix] = ImageConfigJson(converted.image);
    if (converted.base_image) result_.metadata["containerimage.base.config" + suffix] = ImageConfigJson(*converted.base_image);
    if (converted.epoch) result_.metadata["source.date.epoch" + suffix] = std::to_string(*converted.epoch);
    platforms_.push_back(std::move(exported));
    return absl::OkStatus();
  }

  const CancelToken& cancel_;
  frontend::Bridge& bridge_;
  const BuildOptions& options_;
  const ConvertInput& input_;
  frontend::Result result_;
  std::vector<ExportPlatform> platforms_;
};

Platform WorkerPlatform(const frontend::Bridge& bridge) {
  auto workers = bridge.Workers();
  if (!workers.empty() && !workers[0].platforms.empty()) return workers[0].platforms[0];
  return NormalizePlatform(HostPlatform());
}

}  // namespace

absl::StatusOr<frontend::Result> DockerfileFrontend::Solve(const CancelToken& cancel, frontend::Bridge& bridge, const Opts& opts,
                                                           const FrontendInputs& inputs) {
  BK_TRY(BuildOptions options, ParseBuildOptions(opts, WorkerPlatform(bridge)));
  bool may_forward = false;
  absl::Status caps = CheckCaps(opts, may_forward);
  if (!caps.ok() && !may_forward) return caps;
  BuildContext context(cancel, bridge, options, inputs);
  BK_RETURN_IF_ERROR(context.Open());
  BK_TRY(llb::SourceMap source, context.ReadDockerfile());
  BK_TRY(auto forwarded, MaybeForward(cancel, bridge, opts, inputs, source));
  if (forwarded) return *std::move(forwarded);
  BK_RETURN_IF_ERROR(caps);
  WarningSink warnings(bridge, source);
  ConvertInput input;
  input.source = &source;
  input.context = &context;
  input.supports = supports_;
  input.findings = &warnings;
  if (auto request = opts.find("requestid"); request != opts.end()) {
    frontend::Result answer;
    BK_ASSIGN(answer.metadata, AnswerSubrequest(request->second, input));
    return answer;
  }
  auto result = Builder(cancel, bridge, options, input).Run();
  return result.ok() ? std::move(result) : WithSources(result.status(), source);
}

}  // namespace bk::dockerfile
