// Where a cache lives in an object store: attributes of a cache import or export, read. Pure; errors have the reference's texts.
//
// `environment` is the daemon's. An attribute that is there wins over a variable, even an empty one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace bk::remotecache {

using Attributes = std::map<std::string, std::string>;
using Environment = std::function<std::optional<std::string>(const char* name)>;

struct S3Config {
  std::string bucket, region, prefix, manifests_prefix, blobs_prefix;
  std::vector<std::string> names;  // a cache is written under each
  int64_t touch_refresh_ns = 0;    // age at which what is in use is touched
  std::string endpoint_url, access_key_id, secret_access_key, session_token;
  bool use_path_style = false, disable_accept_encoding = false;
  int upload_parallelism = 0;
  std::string retry_mode;  // "standard", "adaptive" or ""
  int retry_max_attempts = 0;
};
absl::StatusOr<S3Config> ParseS3(const Attributes& attributes, const Environment& environment);

struct AzblobConfig {
  std::string account_url, account_name, container, prefix, manifests_prefix, blobs_prefix, secret_access_key;
  std::vector<std::string> names;
};
absl::StatusOr<AzblobConfig> ParseAzblob(const Attributes& attributes, const Environment& environment);

struct GhaConfig {
  std::string scope, url, token, github_token, repository;
  int64_t version = 0;  // of GitHub's interface
  int64_t timeout_ns = 0;
};
absl::StatusOr<GhaConfig> ParseGha(const Attributes& attributes);

}  // namespace bk::remotecache
