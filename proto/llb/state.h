// States: a tree (an Output) and the settings that the next operation on it takes over, as the Go client's llb package
// offers them. Values; copies are cheap. A state belongs to the Graph that made it and to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/llb/env_list.h"
#include "proto/llb/graph.h"

namespace bk::llb {

struct ExecMount {
  std::string target;
  Output source;
  std::string selector;  // path inside the source
  bool read_only = false, no_output = false;
  std::string cache_id;
  pb::CacheSharingOpt sharing = pb::CacheSharingOpt::SHARED;
  bool tmpfs = false;
  int64_t tmpfs_size_bytes = 0;
};
struct ExecSecret {
  std::string id;
  std::optional<std::string> target, env;
  uint32_t mode = 0400, uid = 0, gid = 0;
  bool optional = false;
};
struct ExecSsh {
  std::string id, target;
  uint32_t mode = 0600, uid = 0, gid = 0;
  bool optional = false;
};
struct ExecOptions {
  OpOptions op;
  std::vector<std::string> args;
  std::vector<ExecMount> mounts;
  std::vector<ExecSecret> secrets;
  std::vector<ExecSsh> ssh;
  std::optional<pb::ProxyEnv> proxy;
  std::vector<pb::HostIP> extra_hosts;
  std::vector<pb::Ulimit> ulimits;
  std::vector<pb::CDIDevice> devices;
  std::string cgroup_parent;
  std::optional<pb::NetMode> network;
  pb::SecurityMode security = pb::SecurityMode::SANDBOX;
};

struct UserOrId {
  std::string name;  // "" means id
  uint32_t id = 0;
};
struct Owner {
  std::optional<UserOrId> user, group;
  // "user[:group]"; numbers and "root" are ids.
  static Owner Parse(std::string_view text);
  static Owner Ids(uint32_t uid, uint32_t gid);
};

// One step of a file operation; `action` holds all but owner and, for copies, the source's place.
struct FileStep {
  pb::FileAction action;
  std::optional<Owner> owner;
  Output source;               // copy
  std::string source_dir = "/";  // copy: what a relative path starts from
};

class State {
 public:
  static State Scratch(Graph& graph) { return State(graph, {}); }
  State(Graph& graph, Output output, std::optional<Platform> platform = std::nullopt);

  const Output& output() const { return output_; }
  bool is_scratch() const { return output_.empty(); }
  // The same settings on another tree.
  State WithOutput(Output output) const;

  State SetEnv(std::string key, std::string value) const;
  State SetDir(std::string_view dir) const;  // relative to the current one
  State SetUser(std::string user) const;
  State SetHostname(std::string hostname) const;
  State SetPlatform(const Platform& platform) const;
  State SetNetwork(pb::NetMode network) const;

  const EnvList& env() const { return settings_->env; }
  const std::string& dir() const { return settings_->dir; }
  const std::optional<Platform>& platform() const { return settings_->platform; }

  // The root file system after the command.
  State Run(ExecOptions options) const;
  State File(std::vector<FileStep> steps, OpOptions options) const;
  // `this` with the trees of `uppers` on top of it.
  State Merge(const std::vector<State>& uppers, OpOptions options) const;

  Graph& graph() const { return *graph_; }

 private:
  struct Settings {
    EnvList env;
    std::string dir = "/", user, hostname;
    std::optional<Platform> platform;
    pb::NetMode network = pb::NetMode::UNSET;
  };
  template <typename F>
  State With(F&& change) const {
    State copy = *this;
    auto settings = std::make_shared<Settings>(*settings_);
    change(*settings);
    copy.settings_ = std::move(settings);
    return copy;
  }
  Graph* graph_;
  Output output_;
  std::shared_ptr<const Settings> settings_;
};

// File steps. Paths are completed by State::File.
FileStep MakeDirStep(std::string path, uint32_t mode, bool parents, std::optional<Owner> owner, std::optional<int64_t> time_ns);
FileStep MakeFileStep(std::string path, uint32_t mode, std::string data);
FileStep CopyStep(const State& source, pb::FileActionCopy copy, std::optional<Owner> owner);

struct ImageOptions {
  OpOptions op;
  std::string resolve_mode;  // "", "pull", "local"
};
// `ref` must be normalised.
State Image(Graph& graph, const std::string& ref, ImageOptions options);

struct LocalOptions {
  OpOptions op;
  std::string session_id, shared_key_hint, differ;
  std::vector<std::string> follow_paths, include_patterns, exclude_patterns;
};
State Local(Graph& graph, const std::string& name, LocalOptions options);

// A source of any kind, attributes and capabilities as given.
State Source(Graph& graph, const std::string& identifier, std::map<std::string, std::string> attrs, OpOptions options);

}  // namespace bk::llb
