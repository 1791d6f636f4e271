#include "tests/golden/layers/whole_build.h"

#include <re2/re2.h>

#include "base/digest.h"
#include "base/os/file.h"
#include "base/os/process.h"
#include "snapshotter/diff/tar.h"
#include "tests/golden/layers/tree.h"
#include "tests/golden/text/real_daemon.h"

namespace bk::golden::layers {
namespace {

absl::StatusOr<os::Output> Build(const Json& request, const std::string& dir) {
  BK_TRY(const text::RealDaemon* daemon, text::RealDaemon::Get());
  for (const char* name : {"/context", "/dockerfile", "/out"}) BK_RETURN_IF_ERROR(os::MakeDirs(dir + name, 0755));
  BK_RETURN_IF_ERROR(RunOps(dir + "/context", request.value("context", Json::array())));
  BK_RETURN_IF_ERROR(os::WriteFile(dir + "/dockerfile/Dockerfile", request["dockerfile"].get<std::string>(), 0644));
  std::string type = request["exporter"]["type"];
  std::string output = StrCat("type=", type, ",dest=", dir, type == "local" ? "/out" : "/out.tar");
  for (const auto& [key, value] : request["exporter"]["attrs"].items()) output += StrCat(",", key, "=", value.get<std::string>());
  os::ProcessOptions options;
  options.argv = {BUILDCTL_PATH, "--addr", daemon->address(), "build", "--progress", "plain", "--frontend", request["frontend"], "--output", output,
                  "--local", "context=" + dir + "/context", "--local", "dockerfile=" + dir + "/dockerfile"};
  for (const auto& [key, value] : request["frontend_attrs"].items()) {
    options.argv.push_back("--opt");
    options.argv.push_back(StrCat(key, "=", value.get<std::string>()));
  }
  options.replace_env = true;
  options.env = {"HOME=" + dir, "DOCKER_CONFIG=" + dir, "PATH=/usr/bin:/bin"};
  return os::Run(CancelToken::Never(), options, "");
}

absl::StatusOr<Json> ReadEntries(const std::string& path) {
  BK_TRY(std::string bytes, os::ReadFile(path));
  diff::StringSource source(bytes);
  diff::TarReader reader(source);
  diff::TarHeader header;
  Json out = Json::array();
  while (true) {
    BK_TRY(bool more, reader.Next(header));
    if (!more) return out;
    std::string data(static_cast<size_t>(header.size_bytes), '\0');
    for (size_t at = 0; at < data.size();) {
      BK_TRY(size_t n, reader.Read(data.data() + at, data.size() - at));
      if (n == 0) return DataLoss("truncated archive");
      at += n;
    }
    char mode[16];
    std::snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(header.mode));
    Json entry = {{"format", header.pax.empty() ? "USTAR" : "PAX"}, {"gid", header.gid}, {"uid", header.uid}, {"mode", mode}, {"mtime", std::to_string(header.mtime.seconds)},
                  {"name", header.name}, {"size", header.size_bytes}, {"type", std::string(1, header.type)}};
    if (!header.link_name.empty()) entry["linkname"] = header.link_name;
    if (!header.pax.empty()) entry["pax"] = header.pax;
    if (header.type == '3' || header.type == '4') entry.update({{"devmajor", header.dev_major}, {"devminor", header.dev_minor}});
    if (!data.empty()) entry["sha256"] = DigestOf(data).hex();
    out.push_back(std::move(entry));
  }
}

// The last line that the client prints; platforms are named in the order in which they were ready.
absl::Status ExpectFailure(const os::Output& output, std::string want) {
  constexpr std::string_view kSolve = "failed to solve: ";
  std::string err = output.err;
  while (err.ends_with('\n')) err.pop_back();
  std::string got = err.substr(err.rfind('\n') == std::string::npos ? 0 : err.rfind('\n') + 1);
  if (got.starts_with("error: ")) got.erase(0, 7);
  if (!want.starts_with(kSolve) && got.starts_with(kSolve)) got.erase(0, kSolve.size());
  if (output.status.success()) return Internal("the build succeeded, want ", want);
  std::string pattern = RE2::QuoteMeta(want);
  RE2::GlobalReplace(&pattern, R"(\\\$PLATFORM_[12])", "[a-z0-9/]+");
  return RE2::FullMatch(got, pattern) ? absl::OkStatus() : ExpectText("error", got, want);
}

}  // namespace

absl::Status RunWholeBuild(const Json& c) {
  const Json& expect = c["expect"];
  BK_TRY(os::TempDir dir, os::TempDir::Make("golden-whole-"));
  BK_TRY(os::Output output, Build(c["request"], dir.path()));
  if (expect.contains("error")) return ExpectFailure(output, expect["error"]);
  if (!output.status.success()) return Internal("buildctl: ", output.err);
  if (expect.contains("entries")) {
    BK_TRY(Json entries, ReadEntries(dir.path() + "/out.tar"));
    return ExpectJson("entries", entries, expect["entries"]);
  }
  if (!expect.contains("tree")) return Internal("nothing to compare");
  return ExpectTree("tree", dir.path() + "/out", expect["tree"]);
}

}  // namespace bk::golden::layers
