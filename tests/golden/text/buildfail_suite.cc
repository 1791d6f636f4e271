// What buildctl prints of builds by a running daemon, most of which fail.
#include "base/os/file.h"
#include "base/os/process.h"
#include "tests/golden/text/real_daemon.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {

constexpr char kStaticBinary[] = "/bin/busybox";

absl::Status RunBuildFail(const Json& c, const std::string&) {
  const Json &input = c.at("input"), &expect = c.at("expect");
  BK_TRY(const RealDaemon* daemon, RealDaemon::Get());
  BK_TRY(os::TempDir temp, os::TempDir::Make("golden-build"));
  BK_RETURN_IF_ERROR(os::MakeDirs(temp.path() + "/ctx", 0755));
  BK_RETURN_IF_ERROR(os::WriteFile(temp.path() + "/ctx/Dockerfile", input.at("dockerfile").get<std::string>(), 0644));
  BK_TRY(std::string binary, os::ReadFile(kStaticBinary));
  BK_RETURN_IF_ERROR(os::WriteFile(temp.path() + "/ctx/busybox", binary, 0755));
  os::ProcessOptions options;
  options.argv = {BUILDCTL_PATH, "--addr", daemon->address()};
  for (const Json& arg : input.at("args")) options.argv.push_back(arg.get<std::string>());
  options.replace_env = true;
  options.env = {"HOME=" + temp.path(), "DOCKER_CONFIG=" + temp.path(), "PATH=/usr/bin:/bin"};
  options.cwd = temp.path();
  BK_TRY(os::Output output, os::Run(CancelToken::Never(), options, ""));
  BK_RETURN_IF_ERROR(ExpectPattern("stderr", output.err, expect.at("stderr").get<std::string>()));
  BK_RETURN_IF_ERROR(ExpectPattern("stdout", output.out, expect.at("stdout").get<std::string>()));
  return ExpectJson("exit code", Json(output.status.ShellCode()), expect.at("rc"));
}

}  // namespace bk::golden::text
