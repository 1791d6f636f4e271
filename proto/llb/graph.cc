#include "proto/llb/graph.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/digest.h"
#include "proto/llb/marshal.h"

namespace bk::llb {
namespace {

class PromiseVertex final : public Vertex {
 public:
  std::vector<Output> Inputs() const override { return {}; }
  absl::StatusOr<pb::Op> Build(InputTable&) const override { return Internal("output was never decided"); }
};

void MergeMetadata(const OpOptions& options, pb::OpMetadata& out) {
  if (options.ignore_cache) out.set_ignore_cache(true);
  for (const auto& [key, value] : options.description) (*out.mutable_description())[key] = value;
  for (const std::string& cap : options.caps) (*out.mutable_caps())[cap] = true;
  if (options.export_cache) out.mutable_export_cache()->set_value(*options.export_cache);
  if (options.progress_group) *out.mutable_progress_group() = *options.progress_group;
  if (options.linux_resources) *out.mutable_linux_resources() = *options.linux_resources;
}

// Encodes vertices after their inputs; equal operations of several vertices become one.
class Marshaller {
 public:
  Marshaller(const Graph& graph, const Platform& platform) : graph_(graph), platform_(platform) {}

  absl::StatusOr<pb::Definition> Run(const Output& head) {
    BK_RETURN_IF_ERROR(Visit(head.vertex));
    pb::Op last;
    *last.add_inputs() = InputOf(head);
    AppendLast(MarshalDeterministic(last));
    FillSources();
    return std::move(definition_);
  }

 private:
  pb::Input InputOf(const Output& given) {
    Output output = graph_.Resolve(given);
    pb::Input input;
    input.set_digest(digests_.at(output.vertex));
    input.set_index(output.index);
    return input;
  }

  std::vector<const Vertex*> InputsOf(const Vertex* vertex) {
    std::vector<const Vertex*> inputs;
    for (const Output& given : vertex->Inputs()) {
      Output output = graph_.Resolve(given);
      if (!output.empty()) inputs.push_back(output.vertex);
    }
    return inputs;
  }

  absl::Status Visit(const Vertex* root) {
    struct Frame {
      const Vertex* vertex;
      std::vector<const Vertex*> inputs;
      size_t next = 0;
    };
    std::vector<Frame> stack;
    stack.push_back({root, InputsOf(root)});
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (digests_.contains(frame.vertex)) {
        stack.pop_back();
      } else if (frame.next < frame.inputs.size()) {
        const Vertex* input = frame.inputs[frame.next++];
        if (!digests_.contains(input)) stack.push_back({input, InputsOf(input)});
      } else {
        const Vertex* done = frame.vertex;
        stack.pop_back();
        BK_RETURN_IF_ERROR(Encode(done));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> BytesOf(const Vertex* vertex) {
    if (const std::string* encoded = vertex->encoded()) return *encoded;
    InputTable inputs([this](const Output& output) { return InputOf(output); });
    BK_TRY(pb::Op op, vertex->Build(inputs));
    for (const pb::Input& input : inputs.inputs()) *op.add_inputs() = input;
    if (vertex->platform_specific()) *op.mutable_platform() = PlatformToPb(vertex->options.platform.value_or(platform_));
    op.mutable_constraints();
    return MarshalDeterministic(op);
  }

  absl::Status Encode(const Vertex* vertex) {
    BK_TRY(std::string bytes, BytesOf(vertex));
    std::string digest = DigestOf(bytes).str();
    digests_[vertex] = digest;
    MergeMetadata(vertex->options, (*definition_.mutable_metadata())[digest]);
    pb::Locations& locations = (*definition_.mutable_source()->mutable_locations())[digest];
    for (const SourceLocation& location : vertex->options.locations) {
      pb::Location* out = locations.add_locations();
      out->set_sourceindex(MapIndex(location.map));
      for (const pb::Range& range : location.ranges) *out->add_ranges() = range;
    }
    if (written_.insert(digest).second) definition_.add_def(std::move(bytes));
    return absl::OkStatus();
  }

  int MapIndex(const SourceMap* map) {
    for (size_t i = 0; i < maps_.size(); i++) {
      if (maps_[i] == map) return static_cast<int>(i);
    }
    maps_.push_back(map);
    return static_cast<int>(maps_.size()) - 1;
  }

  void AppendLast(std::string bytes) {
    std::set<std::string> caps = {"constraints", "platform"};
    for (const auto& [digest, metadata] : definition_.metadata()) {
      if (metadata.ignore_cache()) caps.insert("meta.ignorecache");
      if (!metadata.description().empty()) caps.insert("meta.description");
      if (metadata.has_export_cache()) caps.insert("meta.exportcache");
    }
    pb::OpMetadata& metadata = (*definition_.mutable_metadata())[DigestOf(bytes).str()];
    for (const std::string& cap : caps) (*metadata.mutable_caps())[cap] = true;
    definition_.add_def(std::move(bytes));
  }

  void FillSources() {
    definition_.mutable_source();
    for (const SourceMap* map : maps_) {
      pb::SourceInfo* info = definition_.mutable_source()->add_infos();
      info->set_filename(map->filename);
      info->set_language(map->language);
      info->set_data(map->data);
      if (map->definition) *info->mutable_definition() = *map->definition;
    }
  }

  const Graph& graph_;
  const Platform& platform_;
  pb::Definition definition_;
  absl::flat_hash_map<const Vertex*, std::string> digests_;
  absl::flat_hash_set<std::string> written_;
  std::vector<const SourceMap*> maps_;
};

}  // namespace

int64_t InputTable::Add(const Output& output, bool repeat) {
  if (output.empty()) return -1;
  pb::Input input = resolve_(output);
  for (size_t i = 0; i < inputs_.size() && !repeat; i++) {
    if (inputs_[i].digest() == input.digest() && inputs_[i].index() == input.index()) return static_cast<int64_t>(i);
  }
  inputs_.push_back(std::move(input));
  return static_cast<int64_t>(inputs_.size()) - 1;
}

Output Graph::Promise() { return {Add(std::make_unique<PromiseVertex>()), 0}; }

void Graph::Bind(const Output& promise, const Output& value) { promises_[promise.vertex] = value; }

Output Graph::Resolve(Output output) const {
  auto found = promises_.find(output.vertex);
  return found == promises_.end() ? output : found->second;
}

absl::StatusOr<pb::Definition> Graph::Marshal(const Output& given, const Platform& platform) const {
  Output head = Resolve(given);
  if (head.empty()) return pb::Definition();
  return Marshaller(*this, platform).Run(head);
}

pb::Platform PlatformToPb(const Platform& platform) {
  pb::Platform out;
  out.set_os(platform.os);
  out.set_architecture(platform.architecture);
  out.set_variant(platform.variant);
  out.set_osversion(platform.os_version);
  for (const std::string& feature : platform.os_features) out.add_osfeatures(feature);
  return out;
}

}  // namespace bk::llb
