#include "client/solve/solve.h"

#include <atomic>
#include <optional>
#include <thread>

#include "base/digest.h"
#include "base/id.h"
#include "base/os/file.h"
#include "base/suggest.h"
#include "base/version.h"
#include "client/conn/link.h"
#include "client/session/content.h"
#include "client/session/file_send.h"
#include "client/session/file_sync.h"
#include "client/session/session.h"
#include "client/solve/cache_stores.h"
#include "client/solve/export_targets.h"
#include "client/solve/gateway.h"
#include "client/solve/lock.h"
#include "client/solve/oci_index.h"
#include "client/solve/replay_filter.h"
#include "control/control.grpc.pb.h"
#include "proto/wire/kept_calls.h"

namespace bk::client {
namespace {

namespace api = moby::buildkit::v1;
using Clock = std::chrono::steady_clock;

// How long the progress stream may be silent once the build is over.
constexpr std::chrono::seconds kStatusInactivity(5);
// A daemon that is not on this machine is asked each second whether it is there. Two answers in a row that do not come in time are an
// end, if nothing else came or went meanwhile: 3.5 s after its last answer, 3.75 s after anything else of it. Its gRPC threads, which do
// nothing that lasts, answer. Pings of HTTP/2 would do the same, but the reference's daemon breaks connections for pinging.
constexpr std::chrono::milliseconds kAskInterval(1000), kAskTimeout(1250);
constexpr int kMostMissed = 2;
// An answer that is looked at this much too late says nothing of the daemon: we did not run, or were stopped.
constexpr std::chrono::milliseconds kOwnDelay(500);
constexpr std::chrono::milliseconds kStateWait(300);
// How long a daemon whose connection broke may take to answer.
constexpr std::chrono::seconds kFateWait(2);
// How long the build may go on after another part of it failed.
constexpr std::chrono::seconds kSolveAfterFailure(5);

class Build {
 public:
  // `life`: of the daemon (proto/wire/kept_calls.h).
  Build(const CancelToken& cancel, const Connection& connection, std::string life, SolveOptions& options, CacheStores& cache, ExportTargets& targets, const StatusSink& on_status)
      : connection_(connection), life_(std::move(life)), options_(options), cache_(cache), targets_(targets), on_status_(on_status), link_(connection, {options.keep_alive, NewId(), options.note}), stop_(cancel) {
    // What a daemon keeps alive without its connection has to be ended by a call (WatchDaemon).
    if (!link_.keeps()) calls_link_.emplace(stop_.token(), [this] { calls_.Cancel(); });
    OfferServices();
    attrs_ = options.frontend_attrs;
    if (!cache.imports_json.empty()) attrs_["cache-imports"] = cache.imports_json;
  }

  absl::StatusOr<SolveResult> Run() {
    std::thread session([this] { ServeSession(); });
    std::thread status([this] { FollowStatus(); });
    std::thread gateway([this] { Gateway(); });
    std::thread watch([this] { WatchDaemon(); });
    Control();
    gateway.join();
    watch.join();
    link_.Close(Unavailable("the build is over"));
    session.join();
    while (!status_over_.WaitFor(kStatusInactivity, [](bool& over) { return over; })) {
      if (!TookMessage()) status_call_.Cancel();
    }
    status.join();
    absl::Status failure = failure_.With([](absl::Status& first) { return first; });
    if (!failure.ok()) return failure;
    return std::move(result_);
  }

 private:
  void OfferServices() {
    for (SessionService& offer : options_.services) session_.Add(offer.name, std::move(offer.service));
    if (!options_.local_directories.empty()) session_.Add(kFileSyncName, MakeFileSync(options_.local_directories));
    std::map<std::string, std::shared_ptr<BlobStore>> stores = cache_.stores;
    for (const auto& [name, store] : options_.oci_layouts) stores["oci:" + name] = store;
    if (targets_.store != nullptr) stores[kExportStore] = targets_.store;
    if (!stores.empty()) session_.Add(kContentName, MakeContent(std::move(stores)));
    if (!targets_.files.empty()) session_.Add(kFileSendName, MakeFileSend(std::move(targets_.files), link_.keeps()));
  }

  // The first failure is the build's; the others are its consequences.
  void Fail(const absl::Status& status) {
    failure_.With([&](absl::Status& first) {
      if (first.ok()) first = status;
    });
    stop_.Cancel();
  }

  void ServeSession() {
    while (true) {
      Link::Use use = link_.Now();
      CancelCallback on_broken(use.broken, [this] { session_.Drop(); });
      absl::Status status = session_.Run(CancelToken::Never(), *use.connection, link_.Headers(use));
      if (session_.closed()) return;
      if (link_.Broke(calls_.token(), use, static_cast<grpc::StatusCode>(status.raw_code()))) {
        if (!link_.AwaitNext(calls_.token(), use.number).ok()) return;
      } else {
        if (!status.ok()) FailAfterSolve(status);
        return;
      }
    }
  }

  // For the other parts: when they fail the build mostly fails too, and its error says more.
  void FailAfterSolve(const absl::Status& status) {
    (void)solve_over_.WaitFor(kSolveAfterFailure, [](bool& over) { return over; });
    Fail(status);
  }

  api::SolveRequest Request() const {
    api::SolveRequest request;
    request.set_ref(options_.ref);
    request.set_session(session_.id());
    // The daemon's own, which no frontend gets.
    Attributes attrs = attrs_;
    AddLockAttributes(options_.lock, attrs);
    request.mutable_frontendattrs()->insert(attrs.begin(), attrs.end());
    auto add = [](auto* list, const CacheEntry& entry) {
      auto* added = list->Add();
      added->set_type(entry.type);
      added->mutable_attrs()->insert(entry.attrs.begin(), entry.attrs.end());
    };
    api::CacheOptions* cache = request.mutable_cache();
    for (const CacheEntry& entry : cache_.exports) add(cache->mutable_exports(), entry);
    for (const CacheEntry& entry : cache_.imports) add(cache->mutable_imports(), entry);
    for (const ExportEntry& entry : options_.exports) {
      auto* exporter = request.add_exporters();
      exporter->set_type(entry.type);
      exporter->mutable_attrs()->insert(entry.attrs.begin(), entry.attrs.end());
    }
    if (!options_.exports.empty()) {
      request.set_exporterdeprecated(options_.exports[0].type);
      request.mutable_exporterattrsdeprecated()->insert(options_.exports[0].attrs.begin(), options_.exports[0].attrs.end());
    }
    for (const std::string& entitlement : options_.entitlements) request.add_entitlements(entitlement);
    if (options_.source_policy.has_value()) *request.mutable_sourcepolicy() = *options_.source_policy;
    request.set_proxynetwork(options_.proxy_network);
    return request;
  }

  void Control() {
    api::SolveResponse response;
    const api::SolveRequest request = Request();
    absl::Status status = link_.Call(calls_.token(), [&](const Connection& connection, grpc::ClientContext* context, bool again) {
      if (again) context->AddMetadata(wire::kRejoinHeader, life_);
      return api::Control::NewStub(connection.channel())->Solve(context, request, &response);
    });
    answered_ = true;
    if (status.ok()) {
      result_.exporter_response = {response.exporterresponse().begin(), response.exporterresponse().end()};
      if (auto node = result_.exporter_response.extract(llb::kLockResponse); !node.empty()) result_.lock_text = std::move(node.mapped());
    } else {
      Fail(AnnotateCall(WithFate(status), "failed to solve"));
    }
    TookMessage();
    solve_over_.Change([](bool& over) { over = true; });
    looking_.Cancel();
    session_.Close();
  }

  // Looks after the connection to a daemon on another machine: the network may be gone without a word. Ends the build then, or
  // makes a new connection, if the daemon keeps the build alive meanwhile.
  void WatchDaemon() {
    if (!connection_.address().socket_path.empty()) return;
    auto wake = [this] { solve_over_.Change([](bool&) {}); };
    CancelCallback on_stop(stop_.token(), wake);
    auto heard = Clock::now();
    int64_t traffic = Traffic();
    for (int missed = 0;;) {
      Link::Use use = link_.Now();
      CancelCallback on_broken(use.broken, wake);
      auto interval = missed == 0 ? kAskInterval : std::chrono::milliseconds(1);
      bool over = solve_over_.WaitFor(interval, [&](bool& ended) { return ended || (link_.keeps() && (stop_.token().cancelled() || use.broken.cancelled())); });
      if (over && solve_over_.With([](bool& ended) { return ended; })) return;
      if (link_.keeps() && stop_.token().cancelled()) return EndKeptBuild();
      if (over) {
        if (absl::Status status = link_.Reconnect(looking_.token()); !status.ok()) return GiveUp(status);
        missed = 0;
        heard = Clock::now();
        continue;
      }
      auto look = [&] {
        const auto now = Clock::now();
        if (int64_t all = Traffic(); std::exchange(traffic, all) != all) heard = now;
        return now;
      };
      const auto asked = look();
      const bool answered = Ask(use);
      const auto now = look();
      if (answered) {
        missed = 0;
        heard = now;
      } else if (now - asked < kAskTimeout + kOwnDelay) {
        missed++;
      }
      if (missed < kMostMissed || now - heard < kMostMissed * kAskTimeout) continue;
      if (link_.keeps()) {
        link_.GiveUp(use.number);
      } else {
        return GiveUp(Unavailable("the daemon at ", connection_.address().text, " does not answer any more: build ", options_.ref, " ends there as soon as it misses us (look with buildctl attach ", options_.ref, ")"));
      }
    }
  }

  // Grows with every message of the daemon, and with what it takes of ours: of large files over a slow line an answer comes late.
  int64_t Traffic() const {
    return session_.traffic() + activity_.With([](const int64_t& count) { return count; });
  }

  // Whether the daemon answers in time, be it with an error.
  bool Ask(const Link::Use& use) {
    CallContext context(calls_.token());
    CancelCallback on_broken(use.broken, [&] { context->TryCancel(); });
    context->set_deadline(std::chrono::system_clock::now() + kAskTimeout);
    api::InfoResponse response;
    grpc::Status status = api::Control::NewStub(use.connection->channel())->Info(context.get(), {}, &response);
    if (!status.ok()) link_.Broke(calls_.token(), use, status.error_code());
    return status.error_code() != grpc::DEADLINE_EXCEEDED;
  }

  // The wish of whoever runs us, or a failure here: the daemon is told, for it would take the end of our calls for an accident.
  void EndKeptBuild() {
    if (!answered_) link_.EndBuild();
    const bool lost = link_.Now().broken.cancelled();
    if (lost) session_.Break();  // before Control closes it, which would wait for the daemon
    calls_.Cancel();
    if (lost) status_call_.Cancel();
  }

  void GiveUp(const absl::Status& why) {
    if (solve_over_.With([](bool& over) { return over; })) return;
    if (link_.keeps() && stop_.token().cancelled()) return EndKeptBuild();
    session_.Break();  // before the end of the calls, at which Control closes it and would wait for the daemon
    Fail(why);
    link_.Close(why);
    calls_.Cancel();
    status_call_.Cancel();
  }

  // Whoever lost the connection is told what became of the daemon: a broken call alone says nothing of that.
  absl::Status WithFate(const absl::Status& status) const {
    if (!absl::IsUnavailable(status) || calls_.token().cancelled() || link_.keeps()) return status;
    // The channel may learn of it a moment after its calls did. One that stays whole brought the daemon's own answer.
    auto soon = std::chrono::system_clock::now() + kStateWait;
    if (connection_.channel()->GetState(false) == GRPC_CHANNEL_READY && !connection_.channel()->WaitForStateChange(GRPC_CHANNEL_READY, soon)) return status;
    if (connection_.WaitUntilReady(calls_.token(), kFateWait).ok()) {
      return WithMessage(status, StrCat(Message(status), ": the connection broke; the daemon answers again, build ", options_.ref, " ended with the connection or with an earlier daemon"));
    }
    return WithMessage(status, StrCat(Message(status), ": the daemon does not answer any more, build ", options_.ref, " is lost with it"));
  }

  void Gateway() {
    GatewayRequest request{options_.ref, options_.frontend, attrs_, options_.definition, options_.cache_imports};
    auto metadata = RunGateway(calls_.token(), link_, request);
    if (metadata.ok()) {
      result_.frontend_metadata = *std::move(metadata);
      return;
    }
    FailAfterSolve(metadata.status());
  }

  void FollowStatus() {
    ReplayFilter filter;
    while (true) {
      Link::Use use = link_.Now();
      filter.Begin();
      grpc::Status end = ReadStatus(use, filter);
      if (!end.ok() && link_.Broke(status_call_.token(), use, end.error_code())) {
        if (link_.AwaitNext(status_call_.token(), use.number).ok()) continue;
        break;  // whoever gave up says why
      }
      absl::Status status = use.connection->FromCall(end);
      bool build_failed = !failure_.With([](absl::Status& first) { return first.ok(); });
      if (!status.ok() && !status_call_.token().cancelled() && !build_failed) FailAfterSolve(AnnotateCall(status, "failed to receive status"));
      break;
    }
    status_over_.Change([](bool& over) { over = true; });
  }

  grpc::Status ReadStatus(const Link::Use& use, ReplayFilter& filter) {
    CallContext context(status_call_.token());
    CancelCallback on_broken(use.broken, [&] { context->TryCancel(); });
    api::StatusRequest request;
    request.set_ref(options_.ref);
    auto reader = api::Control::NewStub(use.connection->channel())->Status(context.get(), request);
    api::StatusResponse message;
    while (reader->Read(&message)) {
      activity_.With([](int64_t& count) { count++; });
      if (on_status_ && (!link_.keeps() || filter.Take(message))) on_status_(message);
    }
    return reader->Finish();
  }

  // Whether a message came since the last time this was asked.
  bool TookMessage() {
    return activity_.With([this](int64_t& count) { return std::exchange(seen_, count) != count; });
  }

  const Connection& connection_;
  const std::string life_;
  SolveOptions& options_;
  CacheStores& cache_;
  ExportTargets& targets_;
  const StatusSink& on_status_;
  Attributes attrs_;
  SolveResult result_;
  Guarded<absl::Status> failure_;
  Link link_;
  CancelSource stop_;         // the build is to end: by the caller's wish, or it failed
  CancelSource looking_{stop_.token()};  // for another connection
  CancelSource calls_;        // Solve and the gateway's calls
  std::optional<CancelCallback> calls_link_;
  CancelSource status_call_;  // outlives the build
  std::atomic<bool> answered_{false};
  Guarded<bool> solve_over_, status_over_;
  Guarded<int64_t> activity_;
  int64_t seen_ = 0;
  Session session_;
};

struct Daemon {
  std::string package;     // what it calls itself
  std::string life = "-";  // of one that keeps calls alive; no life of any that does not say it
};

absl::StatusOr<Daemon> AskDaemon(const CancelToken& cancel, const Connection& connection) {
  CallContext context(cancel);
  api::ListWorkersResponse workers;
  absl::Status status = connection.FromCall(api::Control::NewStub(connection.channel())->ListWorkers(context.get(), {}, &workers));
  if (!status.ok()) return Annotate(AnnotateCall(status, "failed to list workers"), "listing workers for Build");
  Daemon daemon;
  if (!workers.record().empty()) daemon.package = workers.record(0).buildkitversion().package();
  const auto& said = context->GetServerTrailingMetadata();
  if (auto life = said.find(wire::kLifeTrailer); life != said.end()) daemon.life.assign(life->second.data(), life->second.size());
  return daemon;
}

// The same, once more with another connection when this one was made and broke before the answer came. `again` is that one.
absl::StatusOr<Daemon> AskDaemonAgain(const CancelToken& cancel, const Connection& connection, std::unique_ptr<Connection>& again) {
  absl::StatusOr<Daemon> daemon = AskDaemon(cancel, connection);
  // What could not be connected to has our own words, the reference's.
  if (!absl::IsUnavailable(daemon.status()) || Message(daemon.status()).find("connection error: ") != std::string::npos) return daemon;
  BK_ASSIGN(again, connection.Again());
  return AskDaemon(cancel, *again);
}

// Names what was written in the index.json of local caches and of a directory of blobs.
absl::Status UpdateIndexes(const Attributes& response, const CacheStores& cache, const ExportTargets& targets) {
  if (auto it = response.find("cache.manifest"); it != response.end() && !it->second.empty()) {
    for (const auto& [directory, tag] : cache.tags) BK_RETURN_IF_ERROR(OciIndex(directory).Put(it->second, {{tag, true}}));
  }
  auto descriptor = response.find("containerimage.descriptor");
  if (descriptor == response.end() || descriptor->second.empty() || targets.store == nullptr) return absl::OkStatus();
  BK_TRY(std::string json, Base64Decode(descriptor->second));
  std::vector<OciIndex::Name> names;
  if (auto it = response.find("image.name"); it != response.end()) {
    std::string_view rest = it->second;
    while (true) {
      size_t comma = rest.find(',');
      names.push_back({std::string(rest.substr(0, comma)), false});
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  } else {
    names.push_back({"latest", true});
  }
  return OciIndex(targets.store->path()).Put(json, names);
}

}  // namespace

absl::StatusOr<SolveResult> Solve(const CancelToken& cancel, const Connection& connection, SolveOptions options, const StatusSink& on_status) {
  // A socket of this machine does not break by accident.
  if (!connection.address().socket_path.empty()) options.keep_alive = {};
  std::unique_ptr<Connection> second;
  BK_TRY(Daemon daemon, options.keep_alive > options.keep_alive.zero() ? AskDaemonAgain(cancel, connection, second) : AskDaemon(cancel, connection));
  const Connection& first = second != nullptr ? *second : connection;
  BK_RETURN_IF_ERROR(FitLockToDaemon(daemon.package, options));
  if (daemon.package != kPackage) options.keep_alive = {};
  BK_TRY(CacheStores cache, OpenCacheStores(options.cache_exports, options.cache_imports));
  BK_TRY(ExportTargets targets, OpenExportTargets(options.exports));
  BK_TRY(SolveResult result, Build(cancel, first, std::move(daemon.life), options, cache, targets, on_status).Run());
  BK_RETURN_IF_ERROR(UpdateIndexes(result.exporter_response, cache, targets));
  return result;
}

}  // namespace bk::client
