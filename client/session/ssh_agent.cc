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
#include "proto/wire/server_call.h"
#include "session/ssh.grpc.pb.h"

namespace bk::client {
namespace {

using moby::sshforward::v1::BytesMessage;
using moby::sshforward::v1::CheckAgentRequest;
using moby::sshforward::v1::CheckAgentResponse;

constexpr char kIdHeader[] = "buildkit.ssh.id";
constexpr uint64_t kMaxKeyBytes = 100 << 10;
constexpr uint32_t kMaxMessage = 256 << 10;  // as OpenSSH
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

// A socket; files are told apart by what they hold.
absl::Status CheckSocket(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0) return ErrnoError(errno, "stat " + path);
  if (S_ISSOCK(st.st_mode)) return absl::OkStatus();
  auto text = os::ReadFile(path, kMaxKeyBytes);
  if (!text.ok() || text->find("-----BEGIN ") == std::string::npos) return InvalidArgument("failed to parse ", path, ": ssh: no key found");
  return Unimplemented("keys in files are not built yet: ", Quote(path), " (add it to ssh-agent and name its socket)");
}

// Fills in the user's own agent, and sees whether all of it is there.
absl::Status Complete(SshAgentSource& source) {
  if (source.paths.empty() || source.paths[0].empty()) {
    const char* own = std::getenv("SSH_AUTH_SOCK");
    source.paths.clear();
    if (own == nullptr || *own == '\0') return InvalidArgument("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
    source.paths = {own};
  }
  absl::Status status;
  for (const std::string& path : source.paths) {
    if (status.ok()) status = CheckSocket(path);
  }
  if (status.ok() && source.paths.size() != 1) status = InvalidArgument("only single socket allowed");
  return Annotate(status, StrCat("failed to convert agent config for ID: ", Quote(source.id)));
}

class SshAgents : public moby::sshforward::v1::SSH::CallbackService {
 public:
  explicit SshAgents(std::map<std::string, SshAgentSource> sources) : sources_(std::move(sources)) {}

  grpc::ServerUnaryReactor* CheckAgent(grpc::CallbackServerContext* context, const CheckAgentRequest* request, CheckAgentResponse*) override {
    std::string id = request->id().empty() ? "default" : request->id();
    return wire::Answer(context, sources_.contains(id) ? absl::OkStatus() : NotFound("unset ssh forward key ", id));
  }

  grpc::ServerBidiReactor<BytesMessage, BytesMessage>* ForwardAgent(grpc::CallbackServerContext* context) override {
    std::string id = "default";
    auto header = context->client_metadata().find(kIdHeader);
    if (header != context->client_metadata().end() && !header->second.empty()) id.assign(header->second.data(), header->second.size());
    return wire::RunBidi<BytesMessage, BytesMessage>(tasks_, [this, id](const CancelToken& cancel, Stream& stream) -> absl::Status {
      auto source = sources_.find(id);
      if (source == sources_.end()) return NotFound("unset ssh forward key ", id);
      BK_TRY(os::UniqueFd fd, Connect(source->second.paths[0]));
      return Join(cancel, stream, fd.get(), source->second.raw);
    });
  }

 private:
  using Stream = wire::BidiStream<BytesMessage, BytesMessage>;

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

  const std::map<std::string, SshAgentSource> sources_;
  TaskGroup tasks_;
};

}  // namespace

absl::StatusOr<std::string> AgentFilter::Pass(std::string_view bytes) {
  pending_.append(bytes);
  std::string out;
  while (pending_.size() >= 5) {
    auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(pending_[i])); };
    uint32_t size = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
    if (size == 0 || size > kMaxMessage) return InvalidArgument("bad message to an ssh agent");
    if (pending_.size() < size + 4) break;
    auto type = static_cast<unsigned char>(pending_[4]);
    if (type == kIdentities || type == kSign || type == kExtension || type == kIdentities1) {
      out.append(pending_, 0, size + 4);
    } else {
      refused_++;
    }
    pending_.erase(0, size + 4);
  }
  return out;
}

absl::StatusOr<std::unique_ptr<grpc::Service>> MakeSshAgents(const std::vector<SshAgentSource>& sources) {
  std::map<std::string, SshAgentSource> by_id;
  for (SshAgentSource source : sources) {
    if (source.id.empty()) source.id = "default";
    if (by_id.contains(source.id)) return InvalidArgument("duplicate agent ID ", Quote(source.id));
    absl::Status status = Complete(source);
    if (!status.ok()) return Annotate(status, StrCat("failed to convert agent config {", source.id, " [", Joined(source.paths), "] ", source.raw, "}"));
    by_id[source.id] = source;
  }
  return std::make_unique<SshAgents>(std::move(by_id));
}

}  // namespace bk::client
