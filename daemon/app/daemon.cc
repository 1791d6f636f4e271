#include "daemon/app/daemon.h"

#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/go_parse.h"
#include "base/id.h"
#include "base/log.h"
#include "base/os/file.h"
#include "base/os/process.h"
#include "base/os/program_pages.h"
#include "daemon/app/collector.h"
#include "daemon/app/listeners.h"
#include "daemon/app/notify.h"
#include "daemon/app/tls_acceptor.h"
#include "daemon/app/trimmer.h"
#include "daemon/cache/store.h"
#include "daemon/control/server.h"
#include "daemon/explain/journal.h"
#include "daemon/exporter/table.h"
#include "daemon/frontend/dockerfile/frontend.h"
#include "daemon/frontend/gateway/image_frontend.h"
#include "daemon/history/records.h"
#include "daemon/llb/engine.h"
#include "daemon/llb/error_details.h"
#include "daemon/ops/ops.h"
#include "daemon/ops/result.h"
#include "daemon/registry/registry.h"
#include "daemon/session/connected.h"
#include "daemon/source/table.h"
#include "proto/llb/caps.h"
#include "proto/wire/grpc_setup.h"
#include "proto/wire/tls.h"
#include "sandbox/exec/deferred_executor.h"
#include "sandbox/exec/runtime_executor.h"
#include "sandbox/net/table.h"
#include "sandbox/oci/platforms.h"

namespace bk::app {
namespace {

using grpc::experimental::ExternalConnectionAcceptor;

constexpr std::chrono::seconds kRest(10);  // without a build's end, before memory is given back

registry::HostConfigs HostConfigsOf(const config::Config& config) {
  registry::HostConfigs hosts;
  hosts.certificate_roots = config.certificate_roots;
  for (const auto& [name, host] : config.registries) {
    hosts[name] = {.mirrors = host.mirrors, .http = host.http, .insecure = host.insecure, .ca_files = host.ca_files, .key_pairs = host.key_pairs, .tls_dirs = host.tls_config_dirs};
  }
  return hosts;
}

std::vector<cache::PruneOptions> PoliciesOf(const config::Config& config) {
  struct statvfs disk {};
  int64_t total = 0, free = 0;
  if (statvfs(config.root.c_str(), &disk) == 0) {
    total = static_cast<int64_t>(disk.f_blocks) * static_cast<int64_t>(disk.f_frsize);
    free = static_cast<int64_t>(disk.f_bavail) * static_cast<int64_t>(disk.f_frsize);
  }
  std::vector<cache::PruneOptions> out;
  for (const config::GcPolicy& policy : config::EffectivePolicies(config.oci, total, free)) {
    out.push_back({.filter = policy.filters, .all = policy.all, .keep_duration_ns = policy.keep_duration_ns, .reserved_bytes = policy.reserved_bytes,
                   .max_used_bytes = policy.max_used_bytes, .min_free_bytes = policy.min_free_bytes});
  }
  return out;
}

// Kept for the life of the state directory.
absl::StatusOr<std::string> WorkerId(const std::string& root) {
  std::string path = os::JoinPath(root, "workerid");
  auto known = os::ReadFile(path, 256);
  if (known.ok() && !known->empty()) return known;
  std::string id = NewId();
  BK_RETURN_IF_ERROR(os::WriteFileAtomic(path, id, 0600, false));
  return id;
}

std::string HostName() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  return name;
}

bool IsTrue(const char* variable) {
  const char* value = getenv(variable);
  return value != nullptr && ParseBool(value).value_or(false);
}

net::NetworkOptions NetworkOf(const config::Config& config) {
  const config::OciWorker& worker = config.oci;
  const char* lock = getenv("BUILDKIT_CNI_INIT_LOCK_PATH");
  return {.mode = worker.network_mode,
          .dir = os::JoinPath(config.root, "net/cni"),
          .config_path = worker.cni_config,
          .plugin_dir = worker.cni_plugin_dir,
          .pool_size = worker.cni_pool_size,
          .bridge_name = worker.bridge_name,
          .bridge_subnet = worker.bridge_subnet,
          .bridge_auto = IsTrue("BUILDKIT_NETWORK_BRIDGE_AUTO"),
          .rootless = worker.rootless,
          .init_lock = lock == nullptr ? "" : lock};
}

absl::StatusOr<frontend::WorkerInfo> DescribeWorker(const config::Config& config, const std::string& snapshotter, const std::string& network_mode) {
  frontend::WorkerInfo worker;
  BK_ASSIGN(worker.id, WorkerId(config.root));
  const std::string prefix = "org.mobyproject.buildkit.worker.";
  worker.labels = {{prefix + "executor", "oci"},
                   {prefix + "hostname", HostName()},
                   {prefix + "network", network_mode == "bridge" ? "cni" : network_mode},
                   {prefix + "oci.process-mode", config.oci.no_process_sandbox ? "no-sandbox" : "sandbox"},
                   {prefix + "selinux.enabled", "false"},
                   {prefix + "snapshotter", snapshotter}};
  for (const auto& [key, value] : config.oci.labels) worker.labels[key] = value;
  for (const std::string& text : config.oci.platforms) {
    BK_TRY(Platform platform, ParsePlatform(text));
    worker.platforms.push_back(NormalizePlatform(platform));
  }
  if (worker.platforms.empty()) worker.platforms = oci::SupportedPlatforms();
  return worker;
}

// For connections that are plain here; TLS has ended before (TlsAcceptor).
std::unique_ptr<ExternalConnectionAcceptor> AcceptorOf(grpc::ServerBuilder& builder) {
  return builder.experimental().AddExternalConnectionAcceptor(grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, grpc::InsecureServerCredentials());
}

void HandOver(int listening_fd, int fd, ExternalConnectionAcceptor& to) {
  ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.listener_fd = listening_fd;
  connection.fd = fd;
  to.HandleNewConnection(&connection);
}

}  // namespace

struct Daemon::Rooms {
  config::Config config;
  std::unique_ptr<cache::Store> store;
  std::unique_ptr<history::Records> records;
  std::unique_ptr<cdi::Registry> devices;
  std::string network_mode;                // not "auto": found out once
  std::unique_ptr<net::Provider> network;  // null: steps share the host's, or have none
  std::unique_ptr<exec::DeferredExecutor> executor;
  session::ConnectedSessions sessions;
  std::unique_ptr<registry::Registry> registry;
  std::unique_ptr<source::SourceManager> sources;
  std::unique_ptr<Semaphore> parallelism;
  std::unique_ptr<ops::OpFactory> ops;
  std::unique_ptr<ops::RefResultStorage> results;
  std::unique_ptr<solver::Solver> solver;
  exporter::Exporters exporters;
  dockerfile::DockerfileFrontend dockerfile{&llb::HasLlbCapability};
  std::unique_ptr<frontend::ContainerMaker> containers;
  std::unique_ptr<frontend::gateway::ImageFrontend> image_frontend;
  std::unique_ptr<explain::Journal> journal;
  std::unique_ptr<llb::Engine> engine;
  std::unique_ptr<Collector> collector;
  std::unique_ptr<Trimmer> trimmer;
  std::unique_ptr<control::Services> services;
  std::unique_ptr<ExternalConnectionAcceptor> acceptor, trace_acceptor;
  std::unique_ptr<grpc::Server> server, trace_server;
  std::unique_ptr<TlsAcceptor> tls_acceptor;
  Listeners listeners, trace_listeners;

  absl::Status OpenStore();
  absl::Status ListenForTraces();
  absl::Status MakeEngine();
  absl::Status Serve();
  absl::Status ServeTraces();
  ~Rooms();
};

absl::Status Daemon::Rooms::OpenStore() {
  exec::RuntimeOptions runtime;
  runtime.root = os::JoinPath(config.root, "executor");
  runtime.binary = config.oci.binary;
  runtime.rootless = config.oci.rootless;
  runtime.process_sandbox = !config.oci.no_process_sandbox;
  runtime.cgroup_parent = config.oci.cgroup_parent;
  runtime.dns = {.nameservers = config.dns.nameservers, .options = config.dns.options, .search_domains = config.dns.search_domains};
  BK_ASSIGN(store, cache::Store::Open({.root = config.root, .snapshotter = config.oci.snapshotter, .before_recovery = [&runtime] { return exec::EndStepsOfEarlierDaemon(runtime); }}));
  log::Info(StrCat("snapshotter ", store->snapshotter_name(), ": ", store->snapshotter_reason()));
  records = std::make_unique<history::Records>(history::RecordsParts{.db = &store->database(), .content = &store->content(), .leases = &store->leases(),
                                                                     .remove_blob = [this](const Digest& digest) { return store->RemoveUnkeptBlob(digest); },
                                                                     .limits = {.max_age_ns = config.history.max_age_ns, .max_entries = config.history.max_entries}});
  BK_RETURN_IF_ERROR(records->Load());
  net::NetworkOptions networks = NetworkOf(config);
  network_mode = networks.mode = net::ResolveMode(networks);
  log::Info(StrCat("network mode ", config.oci.network_mode, ": ", network_mode));
  BK_ASSIGN(network, net::MakeProvider(networks));
  runtime.network = network.get();
  runtime.no_network = network_mode == "none";
  executor = std::make_unique<exec::DeferredExecutor>([runtime] { return exec::MakeRuntimeExecutor(runtime); });
  if (!config.cdi_disabled) devices = std::make_unique<cdi::Registry>(config.cdi_spec_dirs, config.cdi_auto_allowed);
  return absl::OkStatus();
}

// The default place belongs to the first daemon of the user, and may not be writable; then the state directory serves.
absl::Status Daemon::Rooms::ListenForTraces() {
  if (config.otel_socket_path.empty()) return absl::OkStatus();
  absl::Status status = trace_listeners.Add("unix://" + config.otel_socket_path, {});
  if (status.ok() || !config.otel_socket_is_default) return status;
  config.otel_socket_path = os::JoinPath(config.root, "otel-grpc.sock");
  log::Info(StrCat("trace socket ", config.otel_socket_path, " instead of the default place"), {{"reason", Message(status)}});
  return trace_listeners.Add("unix://" + config.otel_socket_path, {});
}

absl::Status Daemon::Rooms::MakeEngine() {
  registry = std::make_unique<registry::Registry>(registry::Registry::Options{.hosts = HostConfigsOf(config), .sessions = &sessions, .content = &store->content(), .max_transfers = config.max_registry_transfers,
                                                                         .places_file = os::JoinPath(config.root, "blob_places")});
  sources = source::MakeSourceManager({.registry = registry.get(), .sessions = &sessions, .cache = &store->manager(), .content = &store->content(), .known = &store->known()});
  if (config.oci.max_parallelism > 0) parallelism = std::make_unique<Semaphore>(config.oci.max_parallelism);
  BK_TRY(std::string worker_id, WorkerId(config.root));
  ops = ops::MakeOpFactory({.cache = &store->manager(),
                            .sources = sources.get(),
                            .sessions = &sessions,
                            .executor = executor.get(),
                            .devices = devices.get(),
                            .limits_resources = !config.oci.rootless,
                            .parallelism = parallelism.get(),
                            .trace_socket = config.otel_socket_path,
                            .state_dir = config.root,
                            .worker_id = worker_id});
  results = std::make_unique<ops::RefResultStorage>(&store->manager());
  solver = std::make_unique<solver::Solver>(&store->keys(), results.get());
  exporters = exporter::MakeExporters({.content = &store->content(), .leases = &store->leases(), .sessions = &sessions, .registry = registry.get(), .temp_dir = config.root + "/tmp"});
  BK_TRY(frontend::WorkerInfo worker, DescribeWorker(config, store->snapshotter_name(), network_mode));
  llb::EngineParts parts;
  parts.solver = solver.get();
  parts.cache = &store->manager();
  parts.sources = sources.get();
  parts.sessions = &sessions;
  parts.ops = ops.get();
  for (const auto& [name, exporter] : exporters) parts.exporters[name] = exporter.get();
  containers = frontend::MakeContainerMaker({.cache = &store->manager(), .sessions = &sessions, .cache_mounts = ops->cache_mounts(), .executor = executor.get(), .trace_socket = config.otel_socket_path});
  parts.containers = containers.get();
  if (config.dockerfile_frontend) parts.frontends["dockerfile.v0"] = &dockerfile;
  BK_ASSIGN(image_frontend, frontend::gateway::ImageFrontend::Make(config.allowed_frontends, &llb::ForClients));
  if (config.image_frontends) parts.frontends["gateway.v0"] = image_frontend.get();
  parts.workers = {worker};
  parts.allowed_entitlements = {config.entitlements.begin(), config.entitlements.end()};
  if (devices != nullptr) parts.allowed_entitlements.insert("device");
  parts.devices = devices.get();
  journal = std::make_unique<explain::Journal>(&store->database());
  parts.journal = journal.get();
  engine = std::make_unique<llb::Engine>(std::move(parts));
  return absl::OkStatus();
}

absl::Status Daemon::Rooms::Serve() {
  BK_TRY(std::shared_ptr<SSL_CTX> tls, wire::ServerTls({.ca = config.tls.ca, .certificate = config.tls.certificate, .key = config.tls.key}));
  for (const std::string& address : config.addresses) {
    BK_RETURN_IF_ERROR(listeners.Add(address, {config.socket_uid, config.socket_gid}));
    if (tls != nullptr && address.starts_with("unix://")) log::Warning("TLS is disabled for " + address);
  }
  for (const std::string& address : listeners.TcpAddresses()) {
    if (tls == nullptr) log::Warning(StrCat("TLS is not enabled for ", address, ". enabling mutual TLS authentication is highly recommended"));
  }
  std::vector<cache::PruneOptions> policies = PoliciesOf(config);
  collector = std::make_unique<Collector>(&store->manager(), policies);
  trimmer = std::make_unique<Trimmer>(kRest, [] {
    if (absl::Status status = os::UnmapCleanPages(); !status.ok()) log::Debug("memory is not trimmed", {{"error", Message(status)}});
  });
  services = std::make_unique<control::Services>(control::ControlParts{.engine = engine.get(), .sessions = &sessions, .content = &store->content(), .records = records.get(), .gc_policy = policies,
                                                                       .after_build = [this] {
                                                                         collector->Wake();
                                                                         trimmer->Wake();
                                                                       }});
  grpc::ServerBuilder builder;
  wire::ConfigureServer(builder);
  acceptor = AcceptorOf(builder);
  services->Register(builder);
  server = builder.BuildAndStart();
  if (server == nullptr) return Internal("the gRPC server does not start");
  BK_RETURN_IF_ERROR(ServeTraces());
  if (tls != nullptr) BK_ASSIGN(tls_acceptor, TlsAcceptor::Start(tls, [this](int listening_fd, os::UniqueFd plain) { HandOver(listening_fd, plain.Release(), *acceptor); }));
  return listeners.Start([this](const Listeners::Connection& c) {
    if (c.tcp && tls_acceptor != nullptr) return tls_acceptor->Take(c.listening_fd, os::UniqueFd(c.fd));
    HandOver(c.listening_fd, c.fd, *acceptor);
  });
}

// Steps send their spans here (environment OTEL_*): taken and dropped until somebody asks for them.
absl::Status Daemon::Rooms::ServeTraces() {
  if (config.otel_socket_path.empty()) return absl::OkStatus();
  grpc::ServerBuilder builder;
  wire::ConfigureServer(builder);
  trace_acceptor = AcceptorOf(builder);
  services->RegisterTraces(builder);
  trace_server = builder.BuildAndStart();
  if (trace_server == nullptr) return Internal("the gRPC server for traces does not start");
  return trace_listeners.Start([this](const Listeners::Connection& c) { HandOver(c.listening_fd, c.fd, *trace_acceptor); });
}

Daemon::Rooms::~Rooms() {
  listeners.Stop();
  trace_listeners.Stop();
  auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(1);
  if (server != nullptr) server->Shutdown(deadline);
  if (trace_server != nullptr) trace_server->Shutdown(deadline);
  if (tls_acceptor != nullptr) tls_acceptor->Stop();  // the server's last words have been sent
}

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const config::Config& config) {
  // Before there are threads. What a crash leaves in temporary files and mounts, the next start finds there (cache::Store::Open).
  setenv("TMPDIR", os::JoinPath(config.root, "tmp").c_str(), 1);
  wire::HoldGrpc();
  auto rooms = std::make_unique<Rooms>();
  rooms->config = config;
  BK_RETURN_IF_ERROR(rooms->OpenStore());
  BK_RETURN_IF_ERROR(rooms->ListenForTraces());
  BK_RETURN_IF_ERROR(rooms->MakeEngine());
  BK_RETURN_IF_ERROR(rooms->Serve());
  // Clients are answered meanwhile; steps wait.
  BK_RETURN_IF_ERROR(rooms->executor->Ready());
  for (const std::string& address : rooms->listeners.Addresses()) log::Info(StrCat("running server on ", address));
  NotifyServiceManager("READY=1");
  return std::unique_ptr<Daemon>(new Daemon(std::move(rooms)));
}

Daemon::Daemon(std::unique_ptr<Rooms> rooms) : rooms_(std::move(rooms)) {}
Daemon::~Daemon() = default;

void Daemon::RunUntilSignal(int signals) {
  signalfd_siginfo signal{};
  while (read(signals, &signal, sizeof(signal)) != sizeof(signal)) {
  }
  NotifyServiceManager("STOPPING=1");
  int running = rooms_->services->running_builds();
  log::Info(StrCat("stopping server", running > 0 ? StrCat(": waiting for ", running, " builds") : std::string()));
  rooms_->services->StartDraining();

  auto idle = os::MakePipe();
  if (!idle.ok()) return;
  std::thread drain([&] {
    if (!rooms_->services->WaitForBuilds(std::chrono::milliseconds(rooms_->config.drain_timeout_ms))) {
      log::Warning("builds still run after the drain timeout and are cancelled");
      rooms_->services->CancelBuilds();
      rooms_->services->WaitForBuilds(std::chrono::hours(1));
    }
    idle->write.Reset();
  });
  for (int more = 0;;) {
    pollfd polled[] = {{signals, POLLIN, 0}, {idle->read.get(), POLLIN, 0}};
    if (poll(polled, 2, -1) < 0) continue;
    if (polled[1].revents != 0) break;
    if (read(signals, &signal, sizeof(signal)) != sizeof(signal)) continue;
    if (++more >= 2) _exit(1);
    log::Warning("second signal: builds are cancelled");
    rooms_->services->CancelBuilds();
  }
  drain.join();
}

}  // namespace bk::app
