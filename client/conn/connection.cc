#include "client/conn/connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "base/os/unique_fd.h"
#include "base/suggest.h"
#include "base/unicode.h"
#include "control/control.grpc.pb.h"
#include "proto/wire/grpc_setup.h"
#include "proto/wire/status_codec.h"
#include "proto/wire/tls.h"

namespace bk::client {
namespace {

constexpr std::chrono::milliseconds kProbeInterval(20);

// 0, or why the socket cannot be connected to.
int ConnectError(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno;
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return 0;
  return errno == EAGAIN ? 0 : errno;
}

// What a detail says in front of the message; "" for those that only carry data.
std::string DetailPrefix(const ErrorDetail& detail) {
  auto json = nlohmann::json::parse(detail.json, nullptr, false);
  auto text = [&](const char* key) { return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : ""; };
  if (!json.is_object()) return "";
  if (detail.type == "errdefs.Subrequest") return StrCat("unsupported request ", text("name"), ": ");
  if (detail.type == "errdefs.FrontendCap") return StrCat("unsupported frontend capability ", text("name"), ": ");
  if (detail.type != "errdefs.CompatibilityFeature") return "";
  int64_t version = json.contains("version") && json["version"].is_number_integer() ? json["version"].get<int64_t>() : 0;
  return StrCat("unsupported compatibility-version ", version, " feature ", text("feature"), ": ");
}

// gRPC's own words for a server that is not reached, in those of the reference; others stay.
std::string DialError(const std::string& message, const std::string& host) {
  constexpr std::string_view kRefused = "Failed to connect to remote host: ", kHandshake = "handshake failed", kLookup = "DNS resolution failed", kPeer = "last error: UNKNOWN: ipv";
  auto error = [](std::string_view what, std::string_view why) { return StrCat("connection error: desc = \"transport: ", what, ": ", why, "\""); };
  if (size_t at = message.find(kRefused); at != std::string::npos) {
    std::string place = host;
    if (size_t peer = message.find(kPeer); peer != std::string::npos && peer < at) {  // "…: ipv4:127.0.0.1:1: Failed …"
      place = message.substr(peer + kPeer.size() + 2, at - peer - kPeer.size() - 4);
    }
    return error("Error while dialing", StrCat("dial tcp ", place, ": connect: ", ToLower(message.substr(at + kRefused.size()))));
  }
  if (message.find(kLookup) != std::string::npos) return error("Error while dialing", StrCat("dial tcp: lookup ", host, ": no such host"));
  if (size_t at = message.find(kHandshake); at != std::string::npos) {
    size_t why = message.find(": ", at);
    return error("authentication handshake failed", why == std::string::npos ? message : message.substr(why + 2));
  }
  return message;
}

}  // namespace

grpc::ChannelArguments Connection::Arguments() const {
  wire::HoldGrpc();
  grpc::ChannelArguments arguments = wire::ChannelArguments();
  if (!address_.authority.empty()) arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, address_.authority);
  if (!tls_name_.empty()) arguments.SetSslTargetNameOverride(tls_name_);
  // A daemon that has just been started is found soon.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20'000);  // also the time that one attempt may take
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return arguments;
}

Connection::Connection(Address address, std::shared_ptr<void> companion)
    : companion_(std::move(companion)), address_(std::move(address)), credentials_(grpc::InsecureChannelCredentials()), channel_(grpc::CreateCustomChannel(address_.target, credentials_, Arguments())) {}

Connection::Connection(Address address, std::shared_ptr<grpc::ChannelCredentials> credentials, std::string tls_name)
    : tls_name_(std::move(tls_name)), address_(std::move(address)), credentials_(std::move(credentials)), channel_(grpc::CreateCustomChannel(address_.target, credentials_, Arguments())) {}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Again() const {
  if (!address_.helper.empty()) return Open(address_, {});
  return std::unique_ptr<Connection>(new Connection(address_, credentials_, tls_name_));
}

Connection::Connection(Address address, std::shared_ptr<Helper> helper) : helper_(std::move(helper)), address_(std::move(address)) {
  channel_ = grpc::CreateCustomInsecureChannelFromFd(address_.text, helper_->TakeConnection().Release(), Arguments());
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(Address address, const Tls& tls) {
  if (!address.helper.empty()) {
    if (tls.files.any()) return InvalidArgument("address ", Quote(address.text), ": TLS over a helper is not built (its program encrypts; leave the TLS flags out)");
    auto helper = Helper::Start(address.helper);
    if (!helper.ok()) return Unavailable("connection error: desc = \"transport: Error while dialing: ", Message(helper.status()), "\"");
    return std::unique_ptr<Connection>(new Connection(std::move(address), std::shared_ptr<Helper>(*std::move(helper))));
  }
  if (!tls.files.any()) return std::make_unique<Connection>(std::move(address));
  BK_TRY(auto credentials, wire::ClientTls(tls.files));
  std::string name = tls.server_name.empty() ? address.host : tls.server_name;
  if (!name.empty()) address.authority = name;
  return std::unique_ptr<Connection>(new Connection(std::move(address), credentials, std::move(name)));
}

absl::Status Connection::WaitUntilReady(const CancelToken& cancel, std::chrono::milliseconds timeout) const {
  auto end = std::chrono::steady_clock::now() + timeout;
  auto stub = moby::buildkit::v1::Control::NewStub(channel_);
  while (true) {
    BK_RETURN_IF_ERROR(cancel.Check());
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left <= left.zero()) return DeadlineExceeded("context deadline exceeded");
    // gRPC would wait longer and longer between its attempts.
    if (!address_.socket_path.empty() && ConnectError(address_.socket_path) != 0) {
      BK_RETURN_IF_ERROR(cancel.SleepFor(std::min(left, kProbeInterval)));
      continue;
    }
    CallContext context(cancel);
    context->set_deadline(std::chrono::system_clock::now() + left);
    moby::buildkit::v1::InfoResponse response;
    grpc::Status status = stub->Info(context.get(), {}, &response);
    if (status.ok() || status.error_code() == grpc::UNIMPLEMENTED) return absl::OkStatus();
    if (status.error_code() == grpc::DEADLINE_EXCEEDED) return DeadlineExceeded("context deadline exceeded");
    if (status.error_code() != grpc::UNAVAILABLE || helper_ != nullptr) return FromCall(status);
    BK_RETURN_IF_ERROR(cancel.SleepFor(std::min(left, kProbeInterval)));
  }
}

absl::Status Connection::FromCall(const grpc::Status& status) const {
  absl::Status out = wire::FromGrpc(status);
  // gRPC's own words for a call that was cancelled here.
  if (out.code() == absl::StatusCode::kCancelled && (out.message() == "CANCELLED" || out.message() == "Cancelled")) return WithMessage(out, "context canceled");
  if (out.code() != absl::StatusCode::kUnavailable) return out;
  if (helper_ != nullptr) {
    std::string why = helper_->WhyBroken();
    return why.empty() ? out : WithMessage(out, StrCat("connection error: desc = \"error reading server preface: ", why, "\""));
  }
  if (std::string alert = wire::LastTlsAlert(); !alert.empty()) return WithMessage(out, StrCat("connection error: desc = \"error reading server preface: remote error: tls: ", alert, "\""));
  if (address_.socket_path.empty()) return WithMessage(out, DialError(Message(out), address_.authority));
  int error = ConnectError(address_.socket_path);
  if (error == 0) return out;
  return WithMessage(out, StrCat("connection error: desc = \"transport: Error while dialing: dial unix ", address_.socket_path, ": connect: ", ErrnoText(error), "\""));
}

std::string ErrorText(const absl::Status& status) {
  std::string text = status.code() == absl::StatusCode::kUnknown ? Message(status) : StrCat(wire::CodeName(status.code()), ": ", Message(status));
  std::vector<ErrorDetail> details = Details(status);
  // The reference's clients put the details around the message in the order of the wire: the outermost one first.
  for (auto detail = details.rbegin(); detail != details.rend(); ++detail) text = DetailPrefix(*detail) + text;
  return text;
}

absl::Status AnnotateCall(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  return WithMessage(status, StrCat(prefix, ": ", ErrorText(status)));
}

}  // namespace bk::client
