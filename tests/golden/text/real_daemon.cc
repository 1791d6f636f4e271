#include "tests/golden/text/real_daemon.h"

#include <re2/re2.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <thread>

#include "tests/golden/exec/devices.h"

namespace bk::golden::text {
namespace {

constexpr std::chrono::milliseconds kStartLimit{30'000}, kStopLimit{20'000}, kLook{10};

bool Answers(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket_path.copy(address.sun_path, sizeof address.sun_path - 1);
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd && connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RealDaemon>> RealDaemon::Start(bool with_devices) {
  auto daemon = std::make_unique<RealDaemon>();
  BK_ASSIGN(daemon->temp_, os::TempDir::Make("golden-daemon", "/var/tmp"));  // on a disk: overlayfs on tmpfs lacks what it needs
  const std::string& dir = daemon->temp_.path();
  BK_RETURN_IF_ERROR(os::WriteFile(dir + "/buildkitd.toml", "", 0644));
  BK_RETURN_IF_ERROR(WriteDevices(dir + "/cdi"));
  os::ProcessOptions options;
  options.argv = {BUILDKITD_PATH, "--root", dir + "/root", "--addr", daemon->address(), "--config", dir + "/buildkitd.toml", "--otel-socket-path", dir + "/otel.sock",
                  "--cdi-spec-dir", dir + "/cdi"};
  if (!with_devices) options.argv.push_back("--cdi-disabled");
  options.replace_env = true;
  options.env = {"HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  options.parent_death_signal = SIGTERM;
  BK_ASSIGN(daemon->process_, os::Process::Start(options));
  auto limit = std::chrono::steady_clock::now() + kStartLimit;
  while (!Answers(dir + "/d.sock")) {
    if (std::chrono::steady_clock::now() > limit) return DeadlineExceeded("buildkitd does not answer");
    if (auto ended = daemon->process_.WaitFor(kLook); ended.ok()) return Unavailable("buildkitd ended with ", ended->ShellCode());
  }
  return daemon;
}

RealDaemon::~RealDaemon() {
  if (!process_.running()) return;
  kill(process_.pid(), SIGTERM);
  process_.WaitFor(kStopLimit).IgnoreError();
}

absl::StatusOr<const RealDaemon*> RealDaemon::Get(bool with_devices) {
  static std::map<bool, absl::StatusOr<std::unique_ptr<RealDaemon>>> daemons;
  auto known = daemons.find(with_devices);
  if (known == daemons.end()) known = daemons.emplace(with_devices, Start(with_devices)).first;
  BK_RETURN_IF_ERROR(known->second);
  return known->second->get();
}

absl::Status ExpectPattern(std::string_view what, const std::string& got, const std::string& want) {
  std::string pattern = RE2::QuoteMeta(want);
  for (const auto& [name, form] : {std::pair(R"(\\\$ID\b)", "[a-z0-9]+"), std::pair(R"(\\\$DIGEST\b)", "[0-9a-f]{64}"), std::pair(R"(\\\$VALUE\b)", "[^\"]*")}) {
    RE2::GlobalReplace(&pattern, name, form);
  }
  RE2::Options latin1(RE2::Quiet);
  return RE2::FullMatch(got, RE2("(?s)" + pattern, latin1)) ? absl::OkStatus() : ExpectText(what, got, want);
}

absl::Status ExpectJsonPattern(std::string_view what, const Json& got, const Json& want) {
  auto dump = [](const Json& j) { return nlohmann::json(j).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); };
  return ExpectPattern(what, dump(got), dump(want));
}

}  // namespace bk::golden::text
