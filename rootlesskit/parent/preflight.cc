#include "rootlesskit/parent/preflight.h"

#include <unistd.h>

#include <sstream>

#include "base/os/file.h"
#include "base/os/userns.h"
#include "rootlesskit/stage/report.h"

namespace bk::rootlesskit {
namespace {

constexpr int64_t kFewUserNamespaces = 1024;

std::string OwnProgram() { return os::ReadLink("/proc/self/exe").value_or("rootlesskit"); }

void WarnPropagation(const std::string& propagation) {
  auto text = os::ReadFile("/proc/self/mountinfo", 64 << 20);
  auto root = text.ok() ? RootPropagation(*text) : text;
  if (!root.ok()) {
    Warn(StrCat("Failed to parse mountinfo: ", Message(root.status())));
    return;
  }
  if (propagation.find("private") == std::string::npos && root->find("shared") == std::string::npos) {
    Warn(StrCat("The host root filesystem is mounted as ", Quote(*root), ". Setting child propagation to ", Quote(propagation), " is not supported."));
  }
}

}  // namespace

absl::StatusOr<std::string> RootPropagation(std::string_view mountinfo) {
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, mount_point, options, optional;
    words >> id >> parent >> device >> root >> mount_point >> options;
    if (mount_point != "/") continue;
    for (std::string word; words >> word && word != "-";) optional += (optional.empty() ? "" : " ") + word;
    return optional;
  }
  return NotFound("no mount on /");
}

absl::Status CheckPreflight(const Options& options) {
  if (geteuid() == 0) Warn("Running RootlessKit as the root user is unsupported.");
  os::UsernsSettings settings = os::ReadUsernsSettings();
  if (settings.max_user_namespaces.value_or(kFewUserNamespaces) < kFewUserNamespaces && settings.max_user_namespaces != 0) {
    Warn(StrCat("/proc/sys/user/max_user_namespaces=", *settings.max_user_namespaces, " may be low. Consider setting to >= ", kFewUserNamespaces, "."));
  }
  WarnPropagation(options.propagation);
  // Root is not held back by the second sysctl; the clone itself decides then.
  std::string refusal = geteuid() == 0 ? "" : os::ExplainUsernsRefusal(settings, absl::OkStatus(), OwnProgram());
  if (!refusal.empty()) return WithExitCode(FailedPrecondition(refusal), ExitCode::kNoUserNamespace);
  return absl::OkStatus();
}

absl::Status UserNamespaceRefused(const absl::Status& refusal) {
  return WithExitCode(FailedPrecondition(os::ExplainUsernsRefusal(os::ReadUsernsSettings(), refusal, OwnProgram())), ExitCode::kNoUserNamespace);
}

}  // namespace bk::rootlesskit
