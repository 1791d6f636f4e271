#include "client/session/ssh_agent.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>

#include "base/os/file.h"
#include "client/session/ssh_wire.h"
#include "proto/wire/server_call.h"
#include "session/ssh.grpc.pb.h"

namespace bk::client {
namespace {

using moby::sshforward::v1::BytesMessage;
using moby::sshforward::v1::CheckAgentRequest;
using moby::sshforward::v1::CheckAgentResponse;

constexpr char kIdHeader[] = "buildkit.ssh.id";
constexpr uint64_t kMaxKeyBytes = 100 << 10;
constexpr std::string_view kRefusal("\0\0\0\1\5", 5);

enum Request : unsigned char { kIdentities1 = 1, kIdentities = 11, kSign = 13, kExtension = 27 };

absl::StatusOr<os::UniqueFd> Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return InvalidArgument("path of a socket is too long: ", Quote(path));
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return ErrnoError(errno, "failed to connect to " + path);
  return fd;
}

std::string Joined(const std::vector<std::string>& paths) {
  std::string out;
  for (const std::string& path : paths) out += (out.empty() ? "" : " ") + path;
  return out;
}

// A source with what its paths hold: the keys of files, or else one socket.
struct Agent {
  std::string socket;
  SshKeyring keys;
  bool raw = false;
};

absl::Status Read(const std::string& path, Agent& agent) {
  if (!agent.socket.empty()) return InvalidArgument("only single socket allowed");
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return ErrnoError(errno, "stat " + path);
  if (S_ISSOCK(st.st_mode)) {
    agent.socket = path;
    return absl::OkStatus();
  }
  if (agent.raw) return InvalidArgument("raw mode only supported with socket paths");
  auto text = os::ReadFile(path, kMaxKeyBytes);
  if (!text.ok()) return Annotate(text.status(), "failed to read " + path);
  auto key = SshKey::Parse(*text);
  if (!key.ok()) return Annotate(key.status(), "failed to parse " + path);
  agent.keys.Add(*std::move(key));
  return absl::OkStatus();
}

// Fills in the user's own agent, and reads what is named.
absl::StatusOr<Agent> Open(SshAgentSource& source) {
  Agent agent;
  agent.raw = source.raw;
  if (source.raw && source.paths.size() != 1) return InvalidArgument("raw mode must supply exactly one path");
  if (source.paths.empty() || (source.paths.size() == 1 && source.paths[0].empty())) {
    const char* own = std::getenv("SSH_AUTH_SOCK");
    source.paths = {own == nullptr ? "" : own};
  }
  if (source.paths[0].empty()) return InvalidArgument("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
  absl::Status status;
  for (const std::string& path : source.paths) {
    if (status.ok()) status = Read(path, agent);
  }
  if (status.ok() && !agent.socket.empty() && !agent.keys.empty()) status = InvalidArgument("invalid combination of keys and sockets");
  if (!status.ok()) return Annotate(status, StrCat("failed to convert agent config for ID: ", Quote(source.id)));
  return agent;
}

class SshAgents : public moby::sshforward::v1::SSH::CallbackService {
 public:
  explicit SshAgents(std::map<std::string, Agent> agents) : agents_(std::move(agents)) {}

  grpc::ServerUnaryReactor* CheckAgent(grpc::CallbackServerContext* context, const CheckAgentRequest* request, CheckAgentResponse*) override {
    std::string id = request->id().empty() ? "default" : request->id();
    return wire::Answer(context, agents_.contains(id) ? absl::OkStatus() : Unknown("unset ssh forward key ", id));
  }

  grpc::ServerBidiReactor<BytesMessage, BytesMessage>* ForwardAgent(grpc::CallbackServerContext* context) override {
    std::string id = "default";
    auto header = context->client_metadata().find(kIdHeader);
    if (header != context->client_metadata().end() && !header->second.empty()) id.assign(header->second.data(), header->second.size());
    return wire::RunBidi<BytesMessage, BytesMessage>(tasks_, [this, id](const CancelToken& cancel, Stream& stream) -> absl::Status {
      auto agent = agents_.find(id);
      if (agent == agents_.end()) return Unknown("unset ssh forward key ", id);
      if (agent->second.socket.empty()) return Serve(agent->second.keys, stream);
      BK_TRY(os::UniqueFd fd, Connect(agent->second.socket));
      return Join(cancel, stream, fd.get(), agent->second.raw);
    });
  }

 private:
  using Stream = wire::BidiStream<BytesMessage, BytesMessage>;

  static absl::Status Serve(const SshKeyring& keys, Stream& stream) {
    AgentMessages messages;
    BytesMessage message;
    while (stream.Read(message)) {
      messages.Add(message.data());
      std::string request;
      while (true) {
        BK_TRY(bool whole, messages.Next(request));
        if (!whole) break;
        BytesMessage answer;
        answer.set_data(SshText(keys.Answer(request)));
        BK_RETURN_IF_ERROR(stream.Write(answer));
      }
    }
    return absl::OkStatus();
  }

  static absl::Status Join(const CancelToken& cancel, Stream& stream, int fd, bool raw) {
    CancelCallback stop(cancel, [fd] { shutdown(fd, SHUT_RDWR); });
    TaskGroup group;
    group.Run([&] {
      char buffer[32768];
      ssize_t n;
      while ((n = read(fd, buffer, sizeof buffer)) > 0) {
        BytesMessage message;
        message.set_data(buffer, static_cast<size_t>(n));
        if (!stream.Write(message).ok()) break;
      }
      stream.Cancel();
    });
    absl::Status status;
    AgentFilter filter;
    BytesMessage message;
    while (status.ok() && stream.Read(message)) {
      absl::StatusOr<std::string> passed = raw ? message.data() : filter.Pass(message.data());
      status = passed.ok() ? os::WriteAll(fd, *passed) : passed.status();
      // Agents answer in order, and clients ask one thing at a time: no other answer is under way.
      for (int i = filter.TakeRefused(); i > 0 && status.ok(); i--) {
        BytesMessage refusal;
        refusal.set_data(kRefusal.data(), kRefusal.size());
        status = stream.Write(refusal);
      }
    }
    shutdown(fd, SHUT_RDWR);
    group.Wait();
    return status;
  }

  const std::map<std::string, Agent> agents_;
  TaskGroup tasks_;
};

}  // namespace

absl::StatusOr<std::string> AgentFilter::Pass(std::string_view bytes) {
  messages_.Add(bytes);
  std::string out, message;
  while (true) {
    BK_TRY(bool whole, messages_.Next(message));
    if (!whole) return out;
    auto type = static_cast<unsigned char>(message[0]);
    if (type == kIdentities || type == kSign || type == kExtension || type == kIdentities1) {
      out += SshText(message);
    } else {
      refused_++;
    }
  }
}

absl::StatusOr<std::unique_ptr<grpc::Service>> MakeSshAgents(const std::vector<SshAgentSource>& sources) {
  std::map<std::string, Agent> by_id;
  for (SshAgentSource source : sources) {
    if (source.id.empty()) source.id = "default";
    if (by_id.contains(source.id)) return InvalidArgument("duplicate agent ID ", Quote(source.id));
    auto agent = Open(source);
    if (!agent.ok()) return Annotate(agent.status(), StrCat("failed to convert agent config {", source.id, " [", Joined(source.paths), "] ", source.raw, "}"));
    by_id[source.id] = *std::move(agent);
  }
  return std::make_unique<SshAgents>(std::move(by_id));
}

}  // namespace bk::client
