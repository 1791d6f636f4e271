#include "client/conn/link.h"

#include <algorithm>
#include <optional>

#include "base/go_parse.h"
#include "control/control.grpc.pb.h"
#include "proto/wire/kept_calls.h"
#include "resume/resume.grpc.pb.h"

namespace bk::client {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kFirstPause(100), kMostPause(1000);
// What one attempt may take: a network that is back is not to be missed behind one that waits for an answer.
constexpr milliseconds kAttempt(2000);
// The same where a program has to find its way first (ssh, kubectl).
constexpr milliseconds kHelperAttempt(10'000);
// Where somebody says that nobody listens, a daemon ended; a relay may take its time to be there again.
constexpr milliseconds kRefusedTime(3000);
constexpr milliseconds kEndTime(1000);
// A connection that never holds must not be made again for good.
constexpr int kMostConnections = 100;

std::string SecondsText(milliseconds time) { return FormatDuration(std::chrono::nanoseconds(time).count()); }

}  // namespace

Link::Link(const Connection& first, Keep keep) : keep_(std::move(keep)) {
  state_.With([&](State& s) {
    s.connection = std::shared_ptr<const Connection>(std::shared_ptr<const Connection>(), &first);
    s.broken = std::make_shared<CancelSource>();
  });
}

Link::Use Link::Now() const {
  return state_.With([](const State& s) { return Use{s.number, s.connection, s.broken->token()}; });
}

std::map<std::string, std::string> Link::Headers(const Use& use) const {
  if (!keeps()) return {};
  return {{wire::kKeepAliveHeader, SecondsText(keep_.time)}, {wire::kKeepTokenHeader, keep_.token}, {wire::kKeepNumberHeader, StrCat(use.number)}};
}

bool Link::Answered(const grpc::ClientContext& context) { return context.GetServerTrailingMetadata().contains(wire::kKeptTrailer); }

bool Link::Broke(const CancelToken& cancel, const Use& use, grpc::StatusCode code) {
  if (!keeps() || cancel.cancelled()) return false;
  if (use.broken.cancelled()) return true;
  if (code != grpc::StatusCode::UNAVAILABLE) return false;
  GiveUp(use.number);
  return true;
}

void Link::GiveUp(int number) {
  std::shared_ptr<CancelSource> broken = state_.With([&](State& s) { return s.number == number ? s.broken : nullptr; });
  if (broken != nullptr) broken->Cancel();
}

absl::Status Link::AwaitNext(const CancelToken& cancel, int number) {
  CancelCallback wake(cancel, [this] { state_.Change([](State&) {}); });
  return state_.WaitThen([&](State& s) { return s.number > number || !s.closed.ok() || cancel.cancelled(); },
                         [&](State& s) { return s.number > number ? absl::OkStatus() : s.closed.ok() ? cancel.Check() : s.closed; });
}

void Link::Close(const absl::Status& why) {
  state_.Change([&](State& s) { s.closed.Update(why); });
}

absl::Status Link::Attempt(const CancelToken& cancel, const std::shared_ptr<const Connection>& connection, milliseconds timeout) const {
  CallContext context(cancel);
  context->set_deadline(std::chrono::system_clock::now() + timeout);
  moby::buildkit::v1::InfoResponse response;
  return connection->FromCall(moby::buildkit::v1::Control::NewStub(connection->channel())->Info(context.get(), {}, &response));
}

absl::Status Link::Reconnect(const CancelToken& cancel) {
  const Use lost = Now();
  const std::string place = StrCat("the daemon at ", lost.connection->address().text);
  if (keep_.note) keep_.note(StrCat("connection to ", place, " lost, trying again for ", SecondsText(keep_.time)));
  const auto end = Clock::now() + keep_.time;
  std::optional<Clock::time_point> refused_since;
  std::string why = "too many connections broke";
  for (milliseconds pause = kFirstPause; lost.number < kMostConnections; pause = std::min(pause * 2, kMostPause)) {
    std::shared_ptr<const Connection> next;
    auto made = lost.connection->Again();
    absl::Status status = made.status();
    if (made.ok()) {
      next = *std::move(made);
      auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
      status = Attempt(cancel, next, next->address().helper.empty() ? kAttempt : std::clamp(left, kAttempt, kHelperAttempt));
    }
    BK_RETURN_IF_ERROR(cancel.Check());
    if (status.ok()) {
      state_.Change([&](State& s) {
        s.number++;
        s.connection = std::move(next);
        s.broken = std::make_shared<CancelSource>();
      });
      if (keep_.note) keep_.note(StrCat("connected to ", place, " again"));
      return absl::OkStatus();
    }
    const auto now = Clock::now();
    why = Message(status);
    bool refused = why.find("connection refused") != std::string::npos;
    if (!refused) refused_since.reset();
    if (refused && !refused_since.has_value()) refused_since = now;
    if (refused_since.has_value() && now - *refused_since >= kRefusedTime) return Unavailable(place, " does not answer any more, the build is lost with it: ", why);
    if (now >= end) break;
    BK_RETURN_IF_ERROR(cancel.SleepFor(pause));
  }
  return Unavailable(place, " did not answer for ", SecondsText(keep_.time), ": the build has ended there, or ends as soon as it misses us: ", why);
}

void Link::EndBuild() const {
  Use use = Now();
  std::shared_ptr<const Connection> connection = use.connection;
  if (use.broken.cancelled()) {
    auto next = connection->Again();
    if (!next.ok()) return;
    connection = *std::move(next);
  }
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kEndTime);
  resume::v1::CancelRequest request;
  resume::v1::CancelResponse response;
  request.set_token(keep_.token);
  // Whatever it says: a daemon that does not hear of it ends the build when the time is over.
  (void)resume::v1::Resume::NewStub(connection->channel())->Cancel(&context, request, &response);
}

}  // namespace bk::client
