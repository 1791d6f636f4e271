// The frontend attributes of a build, checked: what buildctl's --opt and docker build's flags become.
//
// Names, defaults and error texts: reference, frontend/dockerui. Values only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/platform.h"
#include "base/status.h"
#include "daemon/frontend/bridge.h"
#include "daemon/frontend/git_source.h"
#include "daemon/frontend/dockerfile/lint/linter.h"
#include "llb/ops.pb.h"

namespace bk::dockerfile {

struct BuildOptions {
  std::map<std::string, std::string> build_args, labels;
  std::string target, cache_id_namespace, cgroup_parent, hostname;
  std::string resolve_mode;  // "", "pull", "local"
  std::vector<pb::HostIP> extra_hosts;
  std::vector<pb::Ulimit> ulimits;
  std::optional<pb::LinuxResources> linux_resources;
  int64_t shm_size_bytes = 0;
  pb::NetMode network = pb::NetMode::UNSET;
  std::vector<Platform> target_platforms;  // empty: the builder's own
  Platform build_platform;
  bool multi_platform = false;
  bool no_cache_all = false;
  std::vector<std::string> no_cache_stages;
  std::vector<frontend::CacheImport> cache_imports;
  // Where things come from.
  std::string filename = "Dockerfile", dockerfile_name = "dockerfile";
  std::map<std::string, std::string> local_session_ids;
  bool local_dockerfile = false;  // by name; else an input of that name goes before it
  std::optional<frontend::GitRequest> context_git;  // a context that is a repository
  std::string context_url;        // a context that the daemon downloads; "": the client's, or an input
  std::optional<std::string> context_subdir;  // of a context that is not the client's
  std::map<std::string, std::string> named_contexts, shared_keys;  // by name, or "name::platform"
  std::map<std::string, std::string> input_metadata;               // by input: JSON, values in base64

  std::optional<LintConfig> lint;  // in place of the Dockerfile's `check` directive

  bool IgnoresCache(std::string_view stage) const;
};

// `build_platform` is the first of the worker's.
absl::StatusOr<BuildOptions> ParseBuildOptions(const std::map<std::string, std::string>& opts, const Platform& build_platform);

}  // namespace bk::dockerfile
