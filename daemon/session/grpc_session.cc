#include "daemon/session/grpc_session.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/digest.h"
#include "base/os/file.h"
#include "base/task_group.h"
#include "daemon/session/packet_stream.h"
#include "daemon/session/remote_store.h"
#include "external/health.grpc.pb.h"
#include "proto/wire/status_codec.h"
#include "session/auth.grpc.pb.h"
#include "session/secrets.grpc.pb.h"
#include "session/ssh.grpc.pb.h"
#include "session/upload.grpc.pb.h"

namespace bk::session {
namespace {

using moby::filesync::v1::Auth;

constexpr char kFileSync[] = "/moby.filesync.v1.FileSync/DiffCopy";
constexpr char kUpload[] = "/moby.upload.v1.Upload/Pull";
constexpr char kFileSend[] = "/moby.filesync.v1.FileSend/DiffCopy";
// A client that shows a password prompt must not hold a build for ever (reference: session/auth).
constexpr std::chrono::seconds kAuthTimeout(30);

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// Go's url.QueryEscape.
std::string QueryEscape(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

// Repeated header values; escaped and announced as such if any is not ASCII (trap 22).
void AddHeader(grpc::ClientContext& context, const std::string& key, const std::vector<std::string>& values) {
  bool escape = std::any_of(values.begin(), values.end(), [](const std::string& v) {
    return std::any_of(v.begin(), v.end(), [](unsigned char c) { return c >= 0x80; });
  });
  for (const std::string& value : values) context.AddMetadata(key, escape ? QueryEscape(value) : value);
  if (escape) context.AddMetadata(key + "-encoded", "1");
}

bool ClientLacksMethod(const absl::Status& status) { return status.code() == absl::StatusCode::kUnimplemented; }

}  // namespace

absl::Status CallScope::Result(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  BK_RETURN_IF_ERROR(cancel_.Check());
  return wire::FromGrpc(status);
}

bool GrpcSession::Supports(std::string_view grpc_method) const { return identity_.methods.contains(Lower(grpc_method)); }

absl::Status GrpcSession::CheckHealth(std::chrono::milliseconds timeout) {
  grpc::ClientContext context;
  CancelCallback stop(gone_.token(), [&] { context.TryCancel(); });
  context.set_deadline(std::chrono::system_clock::now() + timeout);
  grpc::health::v1::HealthCheckResponse response;
  grpc::Status status = grpc::health::v1::Health::NewStub(channel_)->Check(&context, {}, &response);
  return wire::FromGrpc(status);
}

absl::StatusOr<std::unique_ptr<fsutil::Stream>> GrpcSession::OpenFileSync(const CancelToken& cancel, const FileSyncRequest& request) {
  if (!Supports(kFileSync)) return Unknown("no local sources enabled");
  auto context = std::make_unique<grpc::ClientContext>();
  AddHeader(*context, "include-patterns", request.include_patterns);
  AddHeader(*context, "exclude-patterns", request.exclude_patterns);
  AddHeader(*context, "followpaths", request.follow_paths);
  AddHeader(*context, "dir-name", {request.dir_name});
  return OpenPacketStream(channel_, kFileSync, std::move(context), cancel, true);
}

absl::StatusOr<std::unique_ptr<fsutil::Stream>> GrpcSession::OpenFileSendPackets(const CancelToken& cancel, const std::map<std::string, std::string>& headers) {
  if (!Supports(kFileSend)) return Unknown("method ", kFileSend, " not supported by the client");
  auto context = std::make_unique<grpc::ClientContext>();
  for (const auto& [key, value] : headers) context->AddMetadata(key, value);
  return OpenPacketStream(channel_, kFileSend, std::move(context), cancel, false);
}

absl::StatusOr<std::unique_ptr<ByteSink>> GrpcSession::OpenFileSendBytes(const CancelToken& cancel, const std::map<std::string, std::string>& headers) {
  if (!Supports(kFileSend)) return Unknown("method ", kFileSend, " not supported by the client");
  auto context = std::make_unique<grpc::ClientContext>();
  for (const auto& [key, value] : headers) context->AddMetadata(key, value);
  return OpenByteSink(channel_, std::move(context), cancel);
}

absl::Status GrpcSession::PullUpload(const CancelToken& cancel, const std::string& host, const std::string& path, const std::function<absl::Status(std::string_view)>& sink) {
  if (!Supports(kUpload)) return Unimplemented("method ", kUpload, " not supported by the client");
  CallScope call(cancel);
  call.context()->AddMetadata("urlhost", host);
  call.context()->AddMetadata("urlpath", path);
  auto stream = moby::upload::v1::Upload::NewStub(channel_)->Pull(call.context());
  stream->WritesDone();
  moby::upload::v1::BytesMessage message;
  absl::Status sunk;
  while (sunk.ok() && stream->Read(&message)) sunk = sink(message.data());
  if (!sunk.ok()) call.context()->TryCancel();
  absl::Status status = call.Result(stream->Finish());
  return sunk.ok() ? status : sunk;
}

absl::StatusOr<std::string> GrpcSession::GetSecret(const CancelToken& cancel, const std::string& id) {
  CallScope call(cancel);
  moby::buildkit::secrets::v1::GetSecretRequest request;
  moby::buildkit::secrets::v1::GetSecretResponse response;
  request.set_id(id);
  auto stub = moby::buildkit::secrets::v1::Secrets::NewStub(channel_);
  absl::Status status = call.Result(stub->GetSecret(call.context(), request, &response));
  // The method list is not consulted for secrets; a client without them counts as not having this one.
  if (ClientLacksMethod(status) || absl::IsNotFound(status)) return NotFound("secret ", id, ": not found");
  BK_RETURN_IF_ERROR(status);
  return std::move(*response.mutable_data());
}

absl::StatusOr<Credentials> GrpcSession::GetCredentials(const CancelToken& cancel, const std::string& host) {
  CallScope call(cancel);
  call.context()->set_deadline(std::chrono::system_clock::now() + kAuthTimeout);
  moby::filesync::v1::CredentialsRequest request;
  moby::filesync::v1::CredentialsResponse response;
  request.set_host(host);
  absl::Status status = call.Result(Auth::NewStub(channel_)->Credentials(call.context(), request, &response));
  if (ClientLacksMethod(status)) return Credentials{};
  BK_RETURN_IF_ERROR(status);
  return Credentials{response.username(), response.secret()};
}

absl::StatusOr<Token> GrpcSession::FetchToken(const CancelToken& cancel, const TokenRequest& request) {
  CallScope call(cancel);
  call.context()->set_deadline(std::chrono::system_clock::now() + kAuthTimeout);
  moby::filesync::v1::FetchTokenRequest wire_request;
  moby::filesync::v1::FetchTokenResponse response;
  wire_request.set_clientid(request.client_id);
  wire_request.set_host(request.host);
  wire_request.set_realm(request.realm);
  wire_request.set_service(request.service);
  for (const std::string& scope : request.scopes) wire_request.add_scopes(scope);
  BK_RETURN_IF_ERROR(call.Result(Auth::NewStub(channel_)->FetchToken(call.context(), wire_request, &response)));
  return Token{response.token(), response.expiresin(), response.issuedat()};
}

absl::StatusOr<std::string> GrpcSession::GetTokenAuthority(const CancelToken& cancel, const std::string& host, const std::string& salt) {
  CallScope call(cancel);
  call.context()->set_deadline(std::chrono::system_clock::now() + kAuthTimeout);
  moby::filesync::v1::GetTokenAuthorityRequest request;
  moby::filesync::v1::GetTokenAuthorityResponse response;
  request.set_host(host);
  request.set_salt(salt);
  absl::Status status = call.Result(Auth::NewStub(channel_)->GetTokenAuthority(call.context(), request, &response));
  if (ClientLacksMethod(status) || absl::IsUnavailable(status)) return std::string();
  BK_RETURN_IF_ERROR(status);
  if (response.publickey().size() != 32) return Unknown("invalid pubkey length ", response.publickey().size());
  return response.publickey();
}

absl::StatusOr<std::string> GrpcSession::VerifyTokenAuthority(const CancelToken& cancel, const std::string& host, const std::string& salt, const std::string& payload) {
  CallScope call(cancel);
  call.context()->set_deadline(std::chrono::system_clock::now() + kAuthTimeout);
  moby::filesync::v1::VerifyTokenAuthorityRequest request;
  moby::filesync::v1::VerifyTokenAuthorityResponse response;
  request.set_host(host);
  request.set_salt(salt);
  request.set_payload(payload);
  absl::Status status = call.Result(Auth::NewStub(channel_)->VerifyTokenAuthority(call.context(), request, &response));
  if (ClientLacksMethod(status)) return std::string();
  BK_RETURN_IF_ERROR(status);
  return response.signed_();
}

absl::Status GrpcSession::CheckSshAgent(const CancelToken& cancel, const std::string& id) {
  CallScope call(cancel);
  moby::sshforward::v1::CheckAgentRequest request;
  moby::sshforward::v1::CheckAgentResponse response;
  request.set_id(id);
  absl::Status status = call.Result(moby::sshforward::v1::SSH::NewStub(channel_)->CheckAgent(call.context(), request, &response));
  return ClientLacksMethod(status) ? Unimplemented("no ssh agent ", Quote(id)) : status;
}

absl::Status GrpcSession::ForwardSshAgent(const CancelToken& cancel, const std::string& id, int fd) {
  using moby::sshforward::v1::BytesMessage;
  CallScope call(cancel);
  CancelCallback stop(cancel, [fd] { shutdown(fd, SHUT_RDWR); });
  call.context()->AddMetadata("buildkit.ssh.id", id);
  auto stream = moby::sshforward::v1::SSH::NewStub(channel_)->ForwardAgent(call.context());
  TaskGroup group;
  group.Run([&] {
    BytesMessage message;
    while (stream->Read(&message)) {
      if (!os::WriteAll(fd, message.data()).ok()) break;
    }
    shutdown(fd, SHUT_RDWR);  // wakes the other direction
  });
  char buffer[32768];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR)) {
    if (n < 0) continue;
    BytesMessage message;
    message.set_data(buffer, static_cast<size_t>(n));
    if (!stream->Write(message)) break;
  }
  stream->WritesDone();
  // Whoever asked has gone: nobody waits for an answer any more.
  shutdown(fd, SHUT_RDWR);
  call.context()->TryCancel();
  group.Wait();
  absl::Status status = call.Result(stream->Finish());
  return absl::IsCancelled(status) ? cancel.Check() : status;
}

std::unique_ptr<RemoteStore> GrpcSession::Store(const std::string& store_id) { return OpenRemoteStore(channel_, store_id); }

}  // namespace bk::session
