#include "daemon/session/connected.h"

#include <grpcpp/create_channel_posix.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/id.h"
#include "base/log.h"
#include "proto/wire/grpc_setup.h"
#include "proto/wire/kept_calls.h"
#include "proto/wire/tunnel.h"

namespace bk::session {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kConnectWait(5000);
constexpr std::chrono::milliseconds kHealthInterval(5000);
constexpr std::chrono::milliseconds kHealthTimeout(15000);
constexpr int kHealthFailures = 2;

struct HealthRule {
  std::chrono::milliseconds interval = kHealthInterval, timeout = kHealthTimeout;
  int failures = kHealthFailures;
};

std::string First(const ConnectedSessions::Headers& headers, const char* key) {
  auto it = headers.find(key);
  return it == headers.end() ? "" : it->second;
}

// A client may ask for a faster rule (tests); never below one second, and then the first failure counts.
HealthRule HealthRuleOf(const ConnectedSessions::Headers& headers) {
  HealthRule rule;
  int64_t ms = std::atoll(First(headers, "x-buildkit-session-health-custom-timeout").c_str());
  if (ms > 0) {
    rule.interval = rule.timeout = std::chrono::milliseconds(std::max<int64_t>(ms, 1000));
    rule.failures = 1;
  }
  return rule;
}

// Checks the client until it fails or `gone`.
absl::Status WatchHealth(GrpcSession& session, const HealthRule& rule, const CancelToken& gone) {
  int failures = 0;
  std::chrono::milliseconds last(0);
  while (true) {
    // After a failure the next check follows at once.
    if (failures == 0 && !gone.SleepFor(rule.interval).ok()) return absl::OkStatus();
    auto started = Clock::now();
    absl::Status status = session.CheckHealth(std::max(rule.timeout, last * 3 / 2));
    if (gone.cancelled()) return absl::OkStatus();
    last = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    failures = status.ok() ? 0 : failures + 1;
    if (failures >= rule.failures) return Annotate(status, StrCat("session ", session.id(), " failed its health check"));
  }
}

}  // namespace

absl::Status ConnectedSessions::Serve(const CancelToken& cancel, Stream& stream, const Headers& headers) {
  GrpcSession::Identity identity;
  identity.id = First(headers, "x-docker-expose-session-uuid");
  identity.name = First(headers, "x-docker-expose-session-name");
  identity.shared_key = First(headers, "x-docker-expose-session-sharedkey");
  auto [begin, end] = headers.equal_range("x-docker-expose-session-grpc-method");
  for (auto it = begin; it != end; ++it) {
    std::string method = it->second;
    std::transform(method.begin(), method.end(), method.begin(), [](unsigned char c) { return std::tolower(c); });
    identity.methods.insert(std::move(method));
  }
  if (identity.id.empty()) identity.id = NewId();  // no build can name it; the reference lets such a client be, too
  if (auto wish = wire::KeepWish::Of(headers)) {
    identity.token = wish->token;
    identity.keep = wish->keep;
    identity.number = wish->number;
  }

  BK_TRY(wire::TunnelEnds tunnel, wire::MakeTunnel());
  auto channel = grpc::CreateCustomInsecureChannelFromFd("localhost", tunnel.grpc_end.Release(), wire::ChannelArguments());
  auto session = std::make_shared<GrpcSession>(identity, std::move(channel));
  BK_RETURN_IF_ERROR(Enter(session));
  log::Debug("session started", {{"session", identity.id}});

  CancelSource ended(cancel);
  TaskGroup tasks;
  tasks.Run([&] {
    wire::Pump(
        tunnel.pump_end.get(),
        [&](std::string_view bytes) {
          moby::buildkit::v1::BytesMessage message;
          message.set_data(bytes.data(), bytes.size());
          return stream.Write(message).ok();
        },
        [&](std::string& bytes) {
          moby::buildkit::v1::BytesMessage message;
          if (!stream.Read(message)) return false;
          bytes = std::move(*message.mutable_data());
          return true;
        },
        [&] { ended.Cancel(); });
  });
  CancelCallback replaced(session->gone(), [&] { ended.Cancel(); });
  CancelCallback close_tunnel(ended.token(), [&] { shutdown(tunnel.pump_end.get(), SHUT_RDWR); });
  absl::Status health = WatchHealth(*session, HealthRuleOf(headers), ended.token());
  ended.Cancel();
  Leave(session);
  stream.Cancel();
  tasks.Wait();
  log::Debug("session ended", {{"session", identity.id}});
  return health;
}

absl::Status ConnectedSessions::Enter(const std::shared_ptr<GrpcSession>& session) {
  const GrpcSession::Identity& who = session->identity();
  std::shared_ptr<GrpcSession> before;
  BK_RETURN_IF_ERROR(state_.Change([&](State& s) -> absl::Status {
    auto check = [&](const std::string& token, int64_t number) -> absl::Status {
      if (token != who.token) return PermissionDenied("session ", who.id, " is another client's");
      return number <= who.number ? absl::OkStatus() : FailedPrecondition("session ", who.id, " has come back on a later connection");
    };
    auto away = s.away.find(who.id);
    auto here = s.connected.find(who.id);
    if (here != s.connected.end()) before = here->second;
    if (away != s.away.end()) BK_RETURN_IF_ERROR(check(away->second.token, away->second.number));
    if (before != nullptr && before->returns()) BK_RETURN_IF_ERROR(check(before->identity().token, before->identity().number));
    if (away != s.away.end()) s.away.erase(away);
    s.connected[who.id] = session;
    return absl::OkStatus();
  }));
  if (before != nullptr && before->returns()) before->End(Unavailable("session ", who.id, " came back on another connection"));
  return absl::OkStatus();
}

void ConnectedSessions::Leave(const std::shared_ptr<GrpcSession>& session) {
  const GrpcSession::Identity& who = session->identity();
  // First this: who learns that the session is gone asks whether it may return.
  state_.Change([&](State& s) {
    const Time now = Clock::now();
    std::erase_if(s.away, [&](const auto& away) { return away.second.until <= now; });
    auto it = s.connected.find(who.id);
    if (it == s.connected.end() || it->second != session) return;
    s.connected.erase(it);
    if (session->returns()) s.away[who.id] = {who.token, who.number, now + who.keep};
  });
  session->End(Unavailable("session ", who.id, " is gone"));
}

bool ConnectedSessions::MayReturn(const std::string& id) const {
  return state_.With([&](const State& s) {
    auto away = s.away.find(id);
    return s.connected.contains(id) || (away != s.away.end() && away->second.until > Clock::now());
  });
}

absl::StatusOr<std::shared_ptr<Session>> ConnectedSessions::Get(const CancelToken& cancel, const std::string& full_id, bool no_wait) {
  std::string id = full_id;
  if (size_t colon = id.find(':'); colon != std::string::npos && colon + 1 < id.size()) id = id.substr(colon + 1);
  CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
  const Time begun = Clock::now();
  while (true) {
    Time until = begun + kConnectWait;
    std::shared_ptr<Session> session = state_.With([&](State& s) {
      if (auto away = s.away.find(id); away != s.away.end()) until = std::max(until, away->second.until);
      auto it = s.connected.find(id);
      return it == s.connected.end() ? nullptr : it->second;
    });
    BK_RETURN_IF_ERROR(cancel.Check());
    if (session != nullptr) return session;
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (no_wait || left <= left.zero()) return NotFound("no active session for ", id, ": context deadline exceeded");
    state_.WaitFor(left, [&](State& s) { return s.connected.contains(id) || cancel.cancelled(); });
  }
}

}  // namespace bk::session
