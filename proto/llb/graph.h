// LLB while it is written: operations that know their inputs, and how they become a definition.
//
// A Graph owns every vertex (chains may be 100,000 long, so nothing here recurses); Outputs point into it. An operation is
// encoded only when a definition is made, since digests of inputs must be known. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/platform.h"
#include "base/status.h"
#include "llb/ops.pb.h"

namespace bk::llb {

class Vertex;

// One result of an operation; no vertex: the empty tree.
struct Output {
  const Vertex* vertex = nullptr;
  int64_t index = 0;
  bool empty() const { return vertex == nullptr; }
};

// The file that locations speak of. Must outlive the graph.
struct SourceMap {
  std::string filename, language, data;
  std::shared_ptr<const pb::Definition> definition;  // where it came from
};
struct SourceLocation {
  const SourceMap* map = nullptr;
  std::vector<pb::Range> ranges;
};

// What may be said of any operation beside its content.
struct OpOptions {
  std::optional<Platform> platform;
  std::map<std::string, std::string> description;
  bool ignore_cache = false;
  std::optional<bool> export_cache;
  std::optional<pb::ProgressGroup> progress_group;
  std::optional<pb::LinuxResources> linux_resources;
  std::set<std::string> caps;
  std::vector<SourceLocation> locations;

  OpOptions& Name(std::string name) {
    description["llb.customname"] = std::move(name);
    return *this;
  }
};

// The inputs of the operation that is being encoded.
class InputTable {
 public:
  using Resolve = std::function<pb::Input(const Output&)>;
  explicit InputTable(Resolve resolve) : resolve_(std::move(resolve)) {}
  // Index of `output`, -1 for the empty tree. Equal inputs are one, unless `repeat`.
  int64_t Add(const Output& output, bool repeat = false);
  const std::vector<pb::Input>& inputs() const { return inputs_; }

 private:
  Resolve resolve_;
  std::vector<pb::Input> inputs_;
};

class Vertex {
 public:
  virtual ~Vertex() = default;
  // What must be encoded before, in the order of a definition.
  virtual std::vector<Output> Inputs() const = 0;
  // Everything but the platform, constraints and inputs.
  virtual absl::StatusOr<pb::Op> Build(InputTable& inputs) const = 0;
  // The platform to write; nothing if the operation is the same everywhere.
  virtual bool platform_specific() const { return false; }
  // An encoded operation of somebody else's definition: used as it is.
  virtual const std::string* encoded() const { return nullptr; }

  OpOptions options;
};

class Graph {
 public:
  template <typename T>
  T* Add(std::unique_ptr<T> vertex) {
    T* raw = vertex.get();
    vertices_.push_back(std::move(vertex));
    return raw;
  }
  // Stands for an output that is decided later (Bind). An unbound one is the empty tree.
  Output Promise();
  void Bind(const Output& promise, const Output& value);
  Output Resolve(Output output) const;

  // The definition of `head`. `platform` goes where an operation has none.
  absl::StatusOr<pb::Definition> Marshal(const Output& head, const Platform& platform) const;

 private:
  std::vector<std::unique_ptr<Vertex>> vertices_;
  std::map<const Vertex*, Output> promises_;
};

pb::Platform PlatformToPb(const Platform& platform);

}  // namespace bk::llb
