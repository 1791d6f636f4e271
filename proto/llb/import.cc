#include "proto/llb/import.h"

#include "absl/container/flat_hash_map.h"
#include "base/digest.h"

namespace bk::llb {
namespace {

class ImportedVertex final : public Vertex {
 public:
  ImportedVertex(std::string bytes, std::vector<Output> inputs, std::shared_ptr<const std::vector<SourceMap>> maps)
      : bytes_(std::move(bytes)), inputs_(std::move(inputs)), maps_(std::move(maps)) {}
  std::vector<Output> Inputs() const override { return inputs_; }
  absl::StatusOr<pb::Op> Build(InputTable&) const override { return Internal("an encoded operation is not built again"); }
  const std::string* encoded() const override { return &bytes_; }

 private:
  const std::string bytes_;
  const std::vector<Output> inputs_;
  const std::shared_ptr<const std::vector<SourceMap>> maps_;  // what locations of the options point into
};

Platform PlatformFromPb(const pb::Platform& platform) {
  return {platform.os(), platform.architecture(), platform.variant(), platform.osversion(), {platform.osfeatures().begin(), platform.osfeatures().end()}};
}

class Importer {
 public:
  Importer(Graph& graph, const pb::Definition& definition) : graph_(graph), definition_(definition) {}

  // An operation names others by the digest of their bytes, so they can only stand before it and never in a circle.
  absl::StatusOr<Imported> Run() {
    if (definition_.def().empty()) return Imported();
    ReadMaps();
    for (int i = 0; i < definition_.def_size() - 1; i++) BK_RETURN_IF_ERROR(Add(definition_.def(i)));
    pb::Op last;
    if (!last.ParseFromString(definition_.def(definition_.def_size() - 1))) return InvalidArgument("failed to parse llb proto op");
    if (last.inputs_size() != 1) return InvalidArgument("invalid definition: its last op has ", last.inputs_size(), " inputs, not 1");
    BK_TRY(Output output, Find(last.inputs(0)));
    return Imported{output, entries_.at(last.inputs(0).digest()).platform};
  }

 private:
  struct Entry {
    const Vertex* vertex = nullptr;
    std::optional<Platform> platform;
  };

  void ReadMaps() {
    auto maps = std::make_shared<std::vector<SourceMap>>();
    for (const pb::SourceInfo& info : definition_.source().infos()) {
      maps->push_back({info.filename(), info.language(), info.data(), nullptr});
      if (info.has_definition()) maps->back().definition = std::make_shared<const pb::Definition>(info.definition());
    }
    maps_ = std::move(maps);
  }

  absl::Status Add(const std::string& bytes) {
    pb::Op op;
    if (!op.ParseFromString(bytes)) return InvalidArgument("failed to parse llb proto op");
    std::vector<Output> inputs;
    for (const pb::Input& input : op.inputs()) {
      BK_TRY(Output output, Find(input));
      inputs.push_back(output);
    }
    std::string digest = DigestOf(bytes).str();
    auto* vertex = graph_.Add(std::make_unique<ImportedVertex>(bytes, std::move(inputs), maps_));
    BK_ASSIGN(vertex->options, OptionsOf(digest));
    Entry entry{vertex, std::nullopt};
    if (op.has_platform()) entry.platform = PlatformFromPb(op.platform());
    entries_[digest] = std::move(entry);
    return absl::OkStatus();
  }

  absl::StatusOr<Output> Find(const pb::Input& input) const {
    auto found = entries_.find(input.digest());
    if (found == entries_.end()) return InvalidArgument("invalid definition: unknown op \"", input.digest(), "\"");
    if (input.index() < 0) return InvalidArgument("invalid definition: index ", input.index(), " of op \"", input.digest(), "\"");
    return Output{found->second.vertex, input.index()};
  }

  absl::StatusOr<OpOptions> OptionsOf(const std::string& digest) const {
    OpOptions out;
    if (auto found = definition_.metadata().find(digest); found != definition_.metadata().end()) {
      const pb::OpMetadata& metadata = found->second;
      out.ignore_cache = metadata.ignore_cache();
      out.description.insert(metadata.description().begin(), metadata.description().end());
      for (const auto& [cap, needed] : metadata.caps()) {
        if (needed) out.caps.insert(cap);
      }
      if (metadata.has_export_cache()) out.export_cache = metadata.export_cache().value();
      if (metadata.has_progress_group()) out.progress_group = metadata.progress_group();
      if (metadata.has_linux_resources()) out.linux_resources = metadata.linux_resources();
    }
    auto places = definition_.source().locations().find(digest);
    if (places == definition_.source().locations().end()) return out;
    for (const pb::Location& place : places->second.locations()) {
      if (place.sourceindex() < 0 || static_cast<size_t>(place.sourceindex()) >= maps_->size()) {
        return InvalidArgument("failed to find source map with index ", place.sourceindex());
      }
      out.locations.push_back({&(*maps_)[static_cast<size_t>(place.sourceindex())], {place.ranges().begin(), place.ranges().end()}});
    }
    return out;
  }

  Graph& graph_;
  const pb::Definition& definition_;
  std::shared_ptr<const std::vector<SourceMap>> maps_;
  absl::flat_hash_map<std::string, Entry> entries_;
};

}  // namespace

absl::StatusOr<Imported> Import(Graph& graph, const pb::Definition& definition) { return Importer(graph, definition).Run(); }

}  // namespace bk::llb
