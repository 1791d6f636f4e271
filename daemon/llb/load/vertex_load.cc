#include "daemon/llb/load/vertex_load.h"

#include <algorithm>

#include "daemon/llb/load/op_check.h"
#include "daemon/llb/load/op_codec.h"
#include "proto/llb/caps.h"
#include "proto/llb/marshal.h"

namespace bk::llb {
namespace {

// Names of merge and diff ops contain those of their inputs; unbounded, a chain of merges would take quadratic space and
// a lattice of them exponential.
constexpr size_t kMaxComposedName = 4096;
// Hashed after the bytes of a step whose network is the proxy's.
constexpr std::string_view kProxySuffix("\0buildkit.proxy-network.v0", 26);

Platform FromPb(const pb::Platform& platform) {
  Platform out{platform.os(), platform.architecture(), platform.variant(), platform.osversion(), {}};
  for (const std::string& feature : platform.osfeatures()) out.os_features.push_back(feature);
  return out;
}

void SetPlatform(const Platform& platform, pb::Platform& out) {
  out.Clear();
  out.set_os(platform.os);
  out.set_architecture(platform.architecture);
  out.set_variant(platform.variant);
  out.set_osversion(platform.os_version);
  for (const std::string& feature : platform.os_features) out.add_osfeatures(feature);
}

exec::Resources ResourcesOf(const pb::LinuxResources& limits) {
  return {limits.memory(), limits.memoryswap(), limits.cpushares(), limits.cpuperiod(), limits.cpuquota(), limits.cpusetcpus(), limits.cpusetmems()};
}

// Vertices hold each other by shared_ptr; a chain of 100,000 must not be destroyed by 100,000 nested calls.
void DeleteVertex(const solver::Vertex* vertex) {
  thread_local std::vector<const solver::Vertex*>* pending = nullptr;
  if (pending != nullptr) return pending->push_back(vertex);
  std::vector<const solver::Vertex*> list{vertex};
  pending = &list;
  while (!list.empty()) {
    const solver::Vertex* next = list.back();
    list.pop_back();
    delete next;
  }
  pending = nullptr;
}

class Loader {
 public:
  Loader(const CancelToken& cancel, const pb::Definition& definition, const LoadOptions& options)
      : cancel_(cancel), definition_(definition), options_(options) {}

  absl::StatusOr<LoadedDefinition> Load() {
    BK_RETURN_IF_ERROR(Decode());
    BK_RETURN_IF_ERROR(CheckNetworks());
    BK_RETURN_IF_ERROR(ApplyPolicy());
    BK_RETURN_IF_ERROR(Link());
    BK_RETURN_IF_ERROR(Rehash());
    if (by_vertex_.size() < 2) return Unknown("invalid LLB with ", by_vertex_.size(), " vertexes");
    const Entry& last = entries_[last_];
    if (last.inputs.empty()) return Unknown("invalid LLB with no inputs on last vertex");
    size_t root = last.inputs[0];
    auto output = static_cast<int>(last.op.inputs(0).index());
    BK_RETURN_IF_ERROR(MakeVertices(root));
    loaded_.root = {entries_[root].made, output};
    return std::move(loaded_);
  }

 private:
  enum class Mark { kNew, kOpen, kDone };
  struct Entry {
    pb::Op op;
    Digest raw, vertex;
    const pb::OpMetadata* metadata = nullptr;
    std::vector<size_t> inputs;  // entries, in input order
    Mark mark = Mark::kNew;
    std::shared_ptr<const solver::Vertex> made;
  };

  absl::Status Decode();
  absl::Status CheckNetworks() const;
  absl::Status ApplyPolicy();
  bool UsesProxy(const Entry& entry) const;
  absl::Status Link();
  // Visits what `from` depends on, inputs first, each entry once, without recursion. `enter` comes before the inputs of
  // an entry are looked at, `leave` after they are done.
  template <typename Enter, typename Leave>
  absl::Status Walk(size_t from, Enter enter, Leave leave);
  absl::Status Rehash();
  absl::Status MakeVertices(size_t root);
  absl::Status Check(Entry& entry);
  void MakeVertex(Entry& entry);
  std::string Name(const Entry& entry) const;
  // Two encodings of one op are one vertex: the entry that stands for it.
  size_t Chosen(size_t entry) const { return by_vertex_.at(entries_[entry].vertex.str()); }

  const CancelToken& cancel_;
  const pb::Definition& definition_;
  const LoadOptions& options_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> by_raw_, by_vertex_;
  size_t last_ = 0;
  LoadedDefinition loaded_;
};

absl::Status Loader::Decode() {
  if (definition_.def().empty()) return Unknown("invalid empty definition");
  if (definition_.def_size() > kMaxOps) return ResourceExhausted("definition has ", definition_.def_size(), " ops, more than ", kMaxOps);
  size_t total = 0;
  for (const std::string& bytes : definition_.def()) total += bytes.size();
  if (total > kMaxDefinitionBytes) return ResourceExhausted("definition has ", total, " bytes, more than ", kMaxDefinitionBytes);

  entries_.reserve(definition_.def_size());
  for (const std::string& bytes : definition_.def()) {
    Digest raw = DigestOf(bytes);
    auto [found, is_new] = by_raw_.emplace(raw.str(), entries_.size());
    last_ = found->second;
    if (!is_new) continue;
    Entry entry;
    BK_TRY(entry.op, DecodeOp(bytes));
    for (int i = 0; i < entry.op.inputs_size(); i++) {
      if (int64_t index = entry.op.inputs(i).index(); index < 0) return Unknown("invalid input ", i, " output index ", index);
      if (int64_t index = entry.op.inputs(i).index(); index > INT32_MAX) return Unknown("invalid input ", i, " output index ", index);
    }
    auto metadata = definition_.metadata().find(raw.str());
    if (metadata != definition_.metadata().end()) entry.metadata = &metadata->second;
    entry.raw = std::move(raw);
    entries_.push_back(std::move(entry));
  }
  return cancel_.Check();
}

bool Loader::UsesProxy(const Entry& entry) const {
  if (!options_.proxy_network || !entry.op.has_exec()) return false;
  return entry.op.exec().network() == pb::UNSET || entry.op.exec().network() == pb::HOST;
}

absl::Status Loader::CheckNetworks() const {
  if (!options_.proxy_network) return absl::OkStatus();
  for (const Entry& entry : entries_) {
    if (!entry.op.has_exec() || UsesProxy(entry) || entry.op.exec().network() == pb::NONE) continue;
    return Unknown("network mode ", static_cast<int>(entry.op.exec().network()), " is not allowed when proxy network is enabled");
  }
  return absl::OkStatus();
}

absl::Status Loader::ApplyPolicy() {
  if (!options_.source_policy) return absl::OkStatus();
  for (Entry& entry : entries_) {
    if (!entry.op.has_source()) continue;
    absl::Status status = options_.source_policy(*entry.op.mutable_source());
    if (!status.ok()) return Annotate(status, "error evaluating the source policy");
  }
  return absl::OkStatus();
}

absl::Status Loader::Link() {
  for (Entry& entry : entries_) {
    entry.inputs.reserve(entry.op.inputs_size());
    for (const pb::Input& input : entry.op.inputs()) {
      auto found = by_raw_.find(input.digest());
      if (found == by_raw_.end()) return Unknown("invalid missing input digest ", input.digest());
      entry.inputs.push_back(found->second);
    }
  }
  return absl::OkStatus();
}

template <typename Enter, typename Leave>
absl::Status Loader::Walk(size_t from, Enter enter, Leave leave) {
  struct Frame {
    size_t entry, next;
  };
  std::vector<Frame> stack;
  auto visit = [&](size_t index) -> absl::Status {
    Entry& entry = entries_[index];
    if (entry.mark == Mark::kDone) return absl::OkStatus();
    if (entry.mark == Mark::kOpen) return Unknown("invalid LLB with a cycle at ", entry.raw.str());
    BK_RETURN_IF_ERROR(enter(entry));
    entry.mark = Mark::kOpen;
    stack.push_back({index, 0});
    return absl::OkStatus();
  };
  BK_RETURN_IF_ERROR(visit(from));
  while (!stack.empty()) {
    Frame& frame = stack.back();
    Entry& entry = entries_[frame.entry];
    if (frame.next < entry.inputs.size()) {
      BK_RETURN_IF_ERROR(visit(entry.inputs[frame.next++]));
      continue;
    }
    BK_RETURN_IF_ERROR(leave(frame.entry));
    entry.mark = Mark::kDone;
    stack.pop_back();
  }
  return absl::OkStatus();
}

absl::Status Loader::Rehash() {
  for (size_t i = 0; i < entries_.size(); i++) {
    if (i % 1024 == 0) BK_RETURN_IF_ERROR(cancel_.Check());
    BK_RETURN_IF_ERROR(Walk(
        i, [](Entry&) { return absl::OkStatus(); },
        [&](size_t index) {
          Entry& entry = entries_[index];
          for (int k = 0; k < entry.op.inputs_size(); k++) entry.op.mutable_inputs(k)->set_digest(entries_[entry.inputs[k]].vertex.str());
          std::string bytes = MarshalDeterministic(entry.op);
          if (UsesProxy(entry)) bytes += kProxySuffix;
          entry.vertex = DigestOf(bytes);
          return absl::OkStatus();
        }));
  }
  for (size_t i = 0; i < entries_.size(); i++) {
    Entry& entry = entries_[i];
    entry.mark = Mark::kNew;
    by_vertex_[entry.vertex.str()] = i;
    loaded_.vertex_of_raw[entry.raw.str()] = entry.vertex;
  }
  for (Entry& entry : entries_) {
    for (size_t& input : entry.inputs) input = Chosen(input);
  }
  return absl::OkStatus();
}

absl::Status Loader::Check(Entry& entry) {
  BK_RETURN_IF_ERROR(CheckShape(entry.op));
  if (entry.metadata != nullptr && entry.metadata->ignore_cache()) {
    for (const pb::Mount& mount : entry.op.exec().mounts()) {
      if (mount.mounttype() != pb::CACHE || !mount.has_cacheopt()) continue;
      loaded_.pruned_cache_ids[mount.cacheopt().id().empty() ? mount.dest() : mount.cacheopt().id()] = mount.input() != -1;
    }
  }
  BK_RETURN_IF_ERROR(CheckEntitlements(entry.op, options_.entitlements, options_.devices));
  if (entry.metadata == nullptr) return absl::OkStatus();
  for (const auto& [cap, ignored] : entry.metadata->caps()) {
    if (HasLlbCapability(cap)) continue;
    auto table = LlbCapabilities();
    bool known = std::any_of(table.begin(), table.end(), [&](const Capability& c) { return c.id == cap; });
    return known ? Unimplemented("API capability ", cap, " is not built yet") : Unknown("unknown API capability ", cap);
  }
  return absl::OkStatus();
}

std::string Loader::Name(const Entry& entry) const {
  if (entry.metadata != nullptr) {
    auto custom = entry.metadata->description().find("llb.customname");
    if (custom != entry.metadata->description().end()) return custom->second;
  }
  auto name_of = [&](int64_t input) { return entries_[entry.inputs[input]].made->name; };
  std::string name;
  if (entry.op.has_merge()) {
    name = "merge (";
    for (size_t i = 0; i < entry.inputs.size() && name.size() < kMaxComposedName; i++) name += (i == 0 ? "" : ", ") + name_of(i);
    name += ")";
  } else if (entry.op.has_diff()) {
    auto side = [&](int64_t input) { return input < 0 ? "scratch" : StrCat("(", name_of(input), ")"); };
    name = StrCat("diff ", side(entry.op.diff().lower().input()), " -> ", side(entry.op.diff().upper().input()));
  } else {
    return DefaultName(entry.op);
  }
  if (name.size() > kMaxComposedName) name.resize(kMaxComposedName);
  return name;
}

void Loader::MakeVertex(Entry& entry) {
  Platform platform = NormalizePlatform(entry.op.has_platform() ? FromPb(entry.op.platform()) : options_.default_platform);
  SetPlatform(platform, *entry.op.mutable_platform());
  auto vertex = std::make_unique<solver::Vertex>();
  vertex->digest = entry.vertex;
  vertex->name = Name(entry);
  for (size_t i = 0; i < entry.inputs.size(); i++) {
    vertex->inputs.push_back({entries_[entry.inputs[i]].made, static_cast<int>(entry.op.inputs(static_cast<int>(i)).index())});
  }
  LoadedOp loaded{nullptr, entry.raw, {}};
  if (entry.metadata != nullptr) {
    vertex->ignore_cache = entry.metadata->ignore_cache();
    if (entry.metadata->has_progress_group()) {
      const pb::ProgressGroup& group = entry.metadata->progress_group();
      vertex->progress_group = solver::ProgressGroup{group.id(), group.name(), group.weak()};
    }
    loaded.metadata = *entry.metadata;
  }
  loaded.op = std::make_shared<const pb::Op>(std::move(entry.op));
  ops::OpRequest request{loaded.op, std::move(platform), vertex->name, {}};
  if (loaded.op->has_exec()) request.resources = ResourcesOf(loaded.metadata.linux_resources());
  vertex->make_op = [factory = options_.ops, request = std::move(request)]() -> absl::StatusOr<std::unique_ptr<solver::Op>> {
    if (factory == nullptr) return Internal("this vertex cannot be run");
    BK_RETURN_IF_ERROR(CheckMeaning(*request.op));
    return factory->Make(request);
  };
  entry.made = std::shared_ptr<const solver::Vertex>(vertex.release(), &DeleteVertex);
  loaded_.ops.emplace(entry.vertex.str(), std::move(loaded));
}

absl::Status Loader::MakeVertices(size_t root) {
  return Walk(
      root, [&](Entry& entry) { return Check(entry); },
      [&](size_t index) {
        MakeVertex(entries_[index]);
        return absl::OkStatus();
      });
}

}  // namespace

absl::StatusOr<LoadedDefinition> LoadDefinition(const CancelToken& cancel, const pb::Definition& definition, const LoadOptions& options) {
  return Loader(cancel, definition, options).Load();
}

}  // namespace bk::llb
