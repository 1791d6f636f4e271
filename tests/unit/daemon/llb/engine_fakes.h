// Everything an engine needs, in memory: trees are directories, ops do what their identifier says.
#pragma once

#include <atomic>
#include <functional>
#include <map>

#include "base/os/file.h"
#include "daemon/llb/engine.h"
#include "daemon/ops/result.h"
#include "daemon/solver/memory_storage.h"
#include "tests/unit/daemon/llb/definitions.h"

namespace bk::fakes {

// A tree that is a directory. Mounting needs no privileges.
class DirRef : public cache::ImmutableRef {
 public:
  explicit DirRef(std::string id) : id_(std::move(id)), dir_(*os::TempDir::Make("llb-test")) {}
  const std::string& path() const { return dir_.path(); }
  const std::string& Id() const override { return id_; }
  absl::StatusOr<std::unique_ptr<cache::ActiveMount>> Mount(const CancelToken&, const cache::FetchContext&, bool) const override {
    struct Active : cache::ActiveMount {
      std::vector<os::Mount> list;
      const std::vector<os::Mount>& mounts() const override { return list; }
    };
    auto active = std::make_unique<Active>();
    active->list = {{"bind", dir_.path(), {"rbind"}}};
    return active;
  }
  std::vector<cache::ImmutablePtr> LayerChain() const override { return {}; }
  absl::StatusOr<std::vector<cache::Layer>> Layers(const CancelToken&, const cache::FetchContext&, const CompressionChoice&, bool) const override {
    return std::vector<cache::Layer>();
  }
  absl::StatusOr<int64_t> SizeBytes(const CancelToken&) const override { return 0; }
  absl::Status Extract(const CancelToken&, const cache::FetchContext&) const override { return absl::OkStatus(); }
  bool IsLazy() const override { return false; }
  std::string Description() const override { return ""; }
  int64_t CreatedNs() const override { return 0; }
  std::string GetValue(const std::string&) const override { return ""; }
  absl::Status SetValue(const std::string&, const std::string&) const override { return absl::OkStatus(); }

 private:
  std::string id_;
  os::TempDir dir_;
};

// "tree://NAME" is a known tree, "fail://TEXT" an error, "block://" waits for its cancellation.
class ScriptedOps : public ops::OpFactory {
 public:
  std::map<std::string, cache::ImmutablePtr> trees;
  std::atomic<int> executed{0};
  Guarded<int> cancelled;
  Guarded<bool> blocked{false};
  Guarded<std::vector<std::string>> dropped;  // ids of cache mounts; with a colon: those on an input
  // A cancelled build does not wait for its ops: they end a little later.
  bool AwaitCancelled() {
    return cancelled.WaitFor(std::chrono::seconds(10), [](int n) { return n == 1; });
  }

  absl::Status DropCacheMounts(const CancelToken&, const std::string& id, bool on_input) override {
    dropped.With([&](auto& list) { list.push_back(on_input ? id + ":" : id); });
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<solver::Op>> Make(const ops::OpRequest& request) override {
    struct ScriptedOp : solver::Op {
      ScriptedOps* owner;
      std::string identifier;
      absl::StatusOr<solver::CacheMap> GetCacheMap(const CancelToken&, solver::OpContext&, int) override { return solver::CacheMap{.digest = DigestOf(identifier)}; }
      absl::StatusOr<std::vector<solver::ResultPtr>> Exec(const CancelToken& cancel, solver::OpContext&, const std::vector<solver::ResultPtr>&) override {
        owner->executed++;
        if (identifier.starts_with("fail://")) return NotFound(identifier.substr(7));
        if (identifier.starts_with("block://")) {
          owner->blocked.Change([](bool& b) { b = true; });
          absl::Status ended = cancel.SleepFor(std::chrono::minutes(1));
          owner->cancelled.Change([](int& n) { n++; });
          return ended;
        }
        return std::vector<solver::ResultPtr>{std::make_shared<ops::RefResult>(owner->trees[identifier])};
      }
      absl::StatusOr<Permit> Acquire(const CancelToken&) override { return Permit(); }
    };
    auto op = std::make_unique<ScriptedOp>();
    op->owner = this;
    op->identifier = request.op->source().identifier();
    return op;
  }
};

class KeptResults : public solver::ResultStorage {
 public:
  absl::StatusOr<solver::CacheResult> Save(const solver::Result& result) override {
    const auto& kept = static_cast<const ops::RefResult&>(result);
    results_.With([&](auto& r) { r[kept.Id()] = std::make_shared<ops::RefResult>(kept.ref()); });
    return solver::CacheResult{kept.Id(), 1};
  }
  absl::StatusOr<solver::ResultPtr> Load(const std::string& id) override {
    auto found = results_.With([&](auto& r) { return r.contains(id) ? r[id] : nullptr; });
    if (found == nullptr) return NotFound("no result ", id);
    return solver::ResultPtr(found);
  }

 private:
  Guarded<std::map<std::string, std::shared_ptr<ops::RefResult>>> results_;
};

class OneImageSource : public source::Source, public source::SourceManager {
 public:
  absl::StatusOr<source::Source*> ForIdentifier(const std::string& identifier) override {
    if (identifier.find("://") == std::string::npos) return Unknown("failed to parse ", identifier, ": invalid");
    return this;
  }
  absl::StatusOr<std::unique_ptr<source::SourceInstance>> Resolve(const source::SourceRequest&) override { return Unimplemented("not in this test"); }
  absl::StatusOr<std::string> Canonical(const std::string& identifier) const override { return identifier; }
  absl::StatusOr<source::ResolvedImage> ResolveImage(const CancelToken&, const cache::FetchContext& context, const std::string& identifier, const source::ImageResolveOptions& options) override {
    asked = identifier;
    sessions = context.session_ids;
    mode = options.mode;
    if (identifier.find("missing") != std::string::npos) return NotFound(identifier.substr(identifier.find("//") + 2), ": not found");
    return source::ResolvedImage{identifier, DigestOf("image"), options.need_config ? "{}" : ""};
  }
  absl::StatusOr<source::ResolvedGit> ResolveGit(const CancelToken&, const cache::FetchContext& context, const source::SourceRequest& request, bool) override {
    asked = request.identifier;
    offline = context.offline;
    if (offline) return NotFound("no build asked for it yet");
    return source::ResolvedGit{"c0ffee", "refs/heads/main", "", "", ""};
  }
  std::string asked;
  bool offline = false;
  std::vector<std::string> sessions;
  source::ImageResolveOptions::Mode mode{};
};

class ScriptedFrontend : public frontend::Frontend {
 public:
  using Run = std::function<absl::StatusOr<frontend::Result>(const CancelToken&, frontend::Bridge&)>;
  explicit ScriptedFrontend(Run run) : run_(std::move(run)) {}
  absl::StatusOr<frontend::Result> Solve(const CancelToken& cancel, frontend::Bridge& bridge, const std::map<std::string, std::string>&,
                                         const std::map<std::string, std::shared_ptr<const pb::Definition>>&) override {
    return run_(cancel, bridge);
  }

 private:
  Run run_;
};

class RecordingExporter : public exporter::Exporter {
 public:
  std::atomic<int> exported{0};
  absl::Status outcome;
  absl::StatusOr<std::unique_ptr<exporter::ExporterInstance>> Resolve(const std::map<std::string, std::string>& attrs) override {
    if (attrs.contains("bad")) return Unknown("bad attribute");
    struct Instance : exporter::ExporterInstance {
      RecordingExporter* owner;
      std::string name;
      std::string Name() const override { return "exporting to " + name; }
      std::string Type() const override { return name; }
      CompressionChoice Compression() const override { return {}; }
      absl::StatusOr<exporter::ExportOutcome> Export(const CancelToken&, const exporter::Result& result, const exporter::ExportContext& context) override {
        owner->exported++;
        if (!owner->outcome.ok()) return owner->outcome;
        exporter::ExportOutcome out;
        out.response[name] = StrCat(context.exporter_id, " ", result.ref == nullptr ? "empty" : result.ref->Id());
        return out;
      }
    };
    auto instance = std::make_unique<Instance>();
    instance->owner = this;
    instance->name = attrs.contains("name") ? attrs.at("name") : "test";
    return instance;
  }
};

// What a build said, for looking at afterwards.
class RecordingSink : public solver::ProgressSink {
 public:
  std::vector<solver::VertexEvent> vertices;
  std::vector<solver::WarningEvent> warnings;
  void Vertex(const solver::VertexEvent& event) override { vertices.push_back(event); }
  void Status(const solver::StatusEvent&) override {}
  void Log(const solver::LogEvent&) override {}
  void Warning(const solver::WarningEvent& event) override { warnings.push_back(event); }
  const solver::VertexEvent* Last(const std::string& name) const {
    const solver::VertexEvent* found = nullptr;
    for (const auto& vertex : vertices) found = vertex.name == name ? &vertex : found;
    return found;
  }
};

struct EngineFixture {
  solver::MemoryCacheKeyStorage keys;
  KeptResults results;
  solver::Solver solver{&keys, &results};
  ScriptedOps ops;
  OneImageSource sources;
  RecordingExporter exporter;
  std::unique_ptr<llb::Engine> engine;

  explicit EngineFixture(std::map<std::string, frontend::Frontend*> frontends = {}) {
    llb::EngineParts parts;
    parts.solver = &solver;
    parts.sources = &sources;
    parts.ops = &ops;
    parts.exporters["test"] = &exporter;
    parts.frontends = std::move(frontends);
    parts.workers = {{"w", {}, {{"linux", "amd64", "", "", {}}}}};
    parts.allowed_entitlements = {"network.host"};
    engine = std::make_unique<llb::Engine>(std::move(parts));
  }
  std::shared_ptr<const pb::Definition> Tree(const std::string& identifier) {
    DefinitionWriter writer;
    return writer.Share(writer.Source(identifier));
  }
  llb::BuildRequest Request(std::shared_ptr<const pb::Definition> definition) {
    llb::BuildRequest request;
    request.ref = "build";
    request.session_id = "session";
    request.definition = std::move(definition);
    return request;
  }
  RecordingSink Watched() {
    RecordingSink sink;
    engine->Status(CancelToken(), "build", sink).IgnoreError();
    return sink;
  }
};

}  // namespace bk::fakes
