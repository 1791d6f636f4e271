#include "daemon/source/git/git_cli.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/os/process.h"
#include "base/unicode.h"

namespace bk::source {
namespace {

constexpr size_t kMaxOutput = 64 << 20;  // of a list of refs or files
constexpr size_t kMaxErrors = 64 << 10;  // the end is what matters
constexpr std::chrono::seconds kGrace(10);
constexpr int kAttempts = 4;
constexpr std::chrono::milliseconds kFirstPause(200);

// What every call is told. A repository's own configuration is read before, so these win.
const std::vector<std::pair<std::string, std::string>>& FixedConfig() {
  static const auto* const config = new std::vector<std::pair<std::string, std::string>>{
      {"core.hooksPath", "/dev/null"},
      {"core.fsmonitor", "false"},
      {"core.attributesFile", "/dev/null"},
      {"core.excludesFile", "/dev/null"},
      {"core.protectHFS", "true"},
      {"core.protectNTFS", "true"},
      {"credential.helper", ""},
      {"core.askPass", ""},
      {"fetch.unpackLimit", "1"},  // a pack is there as a whole or not at all; a commit of its own may lack its files
      {"gc.autoDetach", "false"},
      {"maintenance.autoDetach", "false"},
      {"submodule.recurse", "false"},
      {"fetch.recurseSubmodules", "false"},
      {"advice.detachedHead", "false"},
      {"init.defaultBranch", "master"},
      {"checkout.workers", "0"},
      // A server that says nothing for two minutes is given up (its keep-alive is five seconds).
      {"http.lowSpeedLimit", "1"},
      {"http.lowSpeedTime", "120"},
  };
  return *config;
}

// Neither the user's ssh settings and keys nor questions: the agent of the client, if any, and the hosts it named.
std::string SshCommand(const std::string& known_hosts_file) {
  std::string out = "ssh -F /dev/null -o BatchMode=yes -o IdentityFile=none -o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=30";
  if (known_hosts_file.empty()) return out + " -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR";
  return StrCat(out, " -o 'UserKnownHostsFile=\"", known_hosts_file, "\"' -o StrictHostKeyChecking=yes");
}

std::vector<std::string> Environment(const GitSettings& settings) {
  std::vector<std::string> env = {
      "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false", "LC_ALL=C",
      "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_ATTR_NOSYSTEM=1", "HOME=/dev/null",
      "GIT_TEMPLATE_DIR=", "GIT_OPTIONAL_LOCKS=0", "GIT_SSH_VARIANT=ssh",
      "GIT_SSH_COMMAND=" + SshCommand(settings.known_hosts_file),
      // git takes "none" for a transport of this name: an empty list would allow all.
      "GIT_ALLOW_PROTOCOL=" + (settings.protocols.empty() ? "none" : settings.protocols),
      // Without a repository none may be found by the way either.
      "GIT_DIR=" + (settings.git_dir.empty() ? "/dev/null" : settings.git_dir),
  };
  if (!settings.work_tree.empty()) env.push_back("GIT_WORK_TREE=" + settings.work_tree);
  if (!settings.index_file.empty()) env.push_back("GIT_INDEX_FILE=" + settings.index_file);
  if (!settings.ssh_auth_socket.empty()) env.push_back("SSH_AUTH_SOCK=" + settings.ssh_auth_socket);
  for (const char* name : {"PATH", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"}) {
    if (const char* value = getenv(name)) env.push_back(StrCat(name, "=", value));
  }
  if (const char* bundle = getenv("SSL_CERT_FILE"); bundle != nullptr && *bundle != 0) env.push_back(StrCat("GIT_SSL_CAINFO=", bundle));
  size_t count = 0;
  for (const auto* list : {&FixedConfig(), &settings.config}) {
    for (const auto& [key, value] : *list) {
      env.push_back(StrCat("GIT_CONFIG_KEY_", count, "=", key));
      env.push_back(StrCat("GIT_CONFIG_VALUE_", count++, "=", value));
    }
  }
  env.push_back(StrCat("GIT_CONFIG_COUNT=", count));
  return env;
}

// One stream of the program: collected, and shown line by line.
struct Channel {
  os::UniqueFd fd;
  int number;
  bool shown;
  std::string all, line;
};

void Show(const GitCli& git, Channel& channel, std::string_view bytes, bool end) {
  if (!channel.shown) return;
  channel.line.append(bytes);
  size_t ready = end ? channel.line.size() : channel.line.rfind('\n') + 1;
  if (ready == 0 && channel.line.size() > kMaxErrors) ready = channel.line.size();
  if (ready == 0) return;
  git.settings().progress.Log(channel.number, git.Redact(channel.line.substr(0, ready)));
  channel.line.erase(0, ready);
}

// Reads what there is. ResourceExhausted when the answer has no end.
absl::Status Drain(const GitCli& git, Channel& channel) {
  char buffer[32768];
  ssize_t n = read(channel.fd.get(), buffer, sizeof buffer);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return absl::OkStatus();
  if (n <= 0) {
    channel.fd.Reset();
    Show(git, channel, "", true);
    return absl::OkStatus();
  }
  std::string_view bytes(buffer, static_cast<size_t>(n));
  channel.all.append(bytes);
  Show(git, channel, bytes, false);
  if (channel.number == 2 && channel.all.size() > 2 * kMaxErrors) channel.all.erase(0, channel.all.size() - kMaxErrors);
  if (channel.all.size() > kMaxOutput) return ResourceExhausted("git answers more than ", kMaxOutput, " bytes");
  return absl::OkStatus();
}

// A server without shallow fetches, as every plain file server is.
bool RefusesDepth(std::string_view message) { return message.find("shallow") != std::string_view::npos || message.find("--depth") != std::string_view::npos; }

bool OutgrewLimit(std::string_view message) { return message.find("File too large") != std::string_view::npos; }

// git takes its helpers with it when it is asked to end; whoever does not listen is killed.
void End(os::Process& process) {
  process.KillGroup(SIGTERM);
  process.WaitFor(kGrace).status().IgnoreError();
}

}  // namespace

bool IsObjectId(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool IsBrokenConnection(std::string_view message) {
  static constexpr std::string_view kRefused[] = {"Permission denied", "Authentication failed", "could not read Username", "could not read Password",
                                                  "Host key verification failed", "access denied", "not found", "not exported", "does not appear to be a git repository"};
  static constexpr std::string_view kBroken[] = {
      "early EOF", "RPC failed", "unexpected disconnect", "remote end hung up", "Connection reset", "Connection timed out", "Operation timed out", "Operation too slow",
      "Connection refused", "Failed to connect", "Couldn't connect", "Could not resolve host", "Temporary failure in name resolution", "Empty reply from server",
      "Recv failure", "transfer closed with", "index-pack failed", "returned error: 429", "returned error: 500", "returned error: 502", "returned error: 503",
      "returned error: 504", "kex_exchange_identification", "Connection closed by", "unable to connect to", "read error", "unexpected end of file"};
  auto has = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
  return std::none_of(std::begin(kRefused), std::end(kRefused), has) && std::any_of(std::begin(kBroken), std::end(kBroken), has);
}

std::string GitCli::Redact(std::string text) const {
  for (const std::string& secret : settings_.secrets) {
    if (secret.empty()) continue;
    for (size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 5) text.replace(at, secret.size(), "xxxxx");
  }
  return text;
}

absl::StatusOr<std::string> GitCli::Run(const CancelToken& cancel, const std::vector<std::string>& args, enum Show show) const {
  BK_RETURN_IF_ERROR(cancel.Check());
  BK_TRY(os::Pipe out, os::MakePipe());
  BK_TRY(os::Pipe err, os::MakePipe());
  os::ProcessOptions options;
  options.argv = {"git"};
  options.argv.insert(options.argv.end(), args.begin(), args.end());
  options.env = Environment(settings_);
  options.replace_env = true;
  options.cwd = settings_.work_tree.empty() ? "/" : settings_.work_tree;
  options.fds = {{out.write.get(), 1}, {err.write.get(), 2}};
  options.umask = 022;
  options.max_file_bytes = settings_.max_file_bytes;
  options.parent_death_signal = SIGTERM;  // this thread stays until the end
  auto process = os::Process::Start(options);
  if (absl::IsNotFound(process.status())) return FailedPrecondition("git is not installed where the daemon runs (install it to build from git repositories)");
  BK_RETURN_IF_ERROR(process.status());
  out.write.Reset();
  err.write.Reset();
  Channel channels[2] = {{std::move(out.read), 1, show == Show::kAll, {}, {}}, {std::move(err.read), 2, show != Show::kNothing, {}, {}}};
  while (channels[0].fd || channels[1].fd) {
    pollfd waits[3] = {{channels[0].fd.get(), POLLIN, 0}, {channels[1].fd.get(), POLLIN, 0}, {cancel.fd(), POLLIN, 0}};
    if (poll(waits, 3, -1) < 0 && errno != EINTR) return ErrnoError(errno, "poll");
    absl::Status status = cancel.Check();
    for (int i = 0; i < 2 && status.ok(); i++) {
      if (waits[i].revents != 0) status = Drain(*this, channels[i]);
    }
    if (!status.ok()) {
      End(*process);
      return status;
    }
  }
  auto status = process->Wait(cancel);
  if (!status.ok()) {
    End(*process);
    return status.status();
  }
  if (status->success()) return std::move(channels[0].all);
  if (settings_.max_file_bytes > 0 && OutgrewLimit(channels[1].all)) {
    return ResourceExhausted("the repository is too large: git may write no file of more than ", settings_.max_file_bytes, " bytes");
  }
  std::string how = status->signal != 0 ? StrCat("signal ", status->signal) : StrCat("exit status ", status->code);
  return Unknown("git stderr:\n", Redact(std::move(channels[1].all)), ": ", how);
}

absl::StatusOr<std::string> GitCli::RunRemote(const CancelToken& cancel, std::vector<std::string> args) const {
  if (settings_.protocols.empty()) return FailedPrecondition("offline: git may not ask a remote");
  std::chrono::milliseconds pause = kFirstPause;
  for (int attempt = 1;; attempt++) {
    auto out = Run(cancel, args);
    if (!out.ok() && RefusesDepth(Message(out.status())) && std::erase(args, "--depth=1") > 0) out = Run(cancel, args);
    if (!out.ok() && Message(out.status()).find("returned error: 30") != std::string::npos) {
      return Annotate(out.status(), "the server redirects, and credentials do not go along (name the address that it leads to)");
    }
    if (out.ok() || attempt == kAttempts || !IsBrokenConnection(Message(out.status()))) return out;
    settings_.progress.Log(2, StrCat("git lost the connection, attempt ", attempt + 1, " of ", kAttempts, "\n"));
    BK_RETURN_IF_ERROR(cancel.SleepFor(pause));
    pause *= 3;
  }
}

}  // namespace bk::source
