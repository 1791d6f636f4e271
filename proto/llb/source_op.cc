// Operations that bring trees in from outside.
#include "base/go_json.h"
#include "base/id.h"
#include "proto/llb/state.h"

namespace bk::llb {
namespace {

class SourceVertex final : public Vertex {
 public:
  SourceVertex(std::string identifier, std::map<std::string, std::string> attrs)
      : identifier_(std::move(identifier)), attrs_(std::move(attrs)) {}
  bool platform_specific() const override { return identifier_.starts_with("docker-image://") || identifier_.starts_with("oci-layout://"); }
  std::vector<Output> Inputs() const override { return {}; }
  absl::StatusOr<pb::Op> Build(InputTable&) const override {
    pb::Op op;
    op.mutable_source()->set_identifier(identifier_);
    op.mutable_source()->mutable_attrs()->insert(attrs_.begin(), attrs_.end());
    return op;
  }

 private:
  std::string identifier_;
  std::map<std::string, std::string> attrs_;
};

std::string JsonList(const std::vector<std::string>& list) {
  GoJsonWriter writer;
  writer.BeginArray();
  for (const std::string& item : list) writer.String(item);
  writer.EndArray();
  return writer.Take();
}

}  // namespace

State Source(Graph& graph, const std::string& identifier, std::map<std::string, std::string> attrs, OpOptions options) {
  auto* vertex = graph.Add(std::make_unique<SourceVertex>(identifier, std::move(attrs)));
  vertex->options = std::move(options);
  return State(graph, {vertex, 0}, vertex->options.platform);
}

State Image(Graph& graph, const std::string& ref, ImageOptions options) {
  std::map<std::string, std::string> attrs;
  options.op.caps.insert("source.image");
  if (!options.resolve_mode.empty()) attrs["image.resolvemode"] = options.resolve_mode;
  if (options.resolve_mode == "pull") options.op.caps.insert("source.image.resolvemode");
  return Source(graph, "docker-image://" + ref, std::move(attrs), std::move(options.op));
}

State Local(Graph& graph, const std::string& name, LocalOptions options) {
  std::map<std::string, std::string> attrs;
  std::set<std::string>& caps = options.op.caps;
  caps.insert("source.local");
  auto set = [&](const std::string& attr, const std::string& cap, std::string value) {
    if (value.empty()) return;
    attrs[attr] = std::move(value);
    if (!cap.empty()) caps.insert(cap);
  };
  auto list = [&](const std::string& attr, const std::string& cap, const std::vector<std::string>& values) {
    if (!values.empty()) set(attr, cap, JsonList(values));
  };
  if (options.session_id.empty()) {
    set("local.unique", "source.local.unique", NewId());
  } else {
    set("local.session", "source.local.sessionid", options.session_id);
  }
  list("local.includepattern", "source.local.includepatterns", options.include_patterns);
  list("local.followpaths", "source.local.followpaths", options.follow_paths);
  list("local.excludepatterns", "source.local.excludepatterns", options.exclude_patterns);
  set("local.sharedkeyhint", "source.local.sharedkeyhint", options.shared_key_hint);
  set("local.differ", "", options.differ);
  return Source(graph, "local://" + name, std::move(attrs), std::move(options.op));
}

}  // namespace bk::llb
