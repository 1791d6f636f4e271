// Source identifiers with their attributes as values, one struct a scheme (golden keys/sources).
//
// Unknown attributes are ignored, wrong values of known ones refused. Values; thread-safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/platform.h"
#include "base/reference.h"
#include "daemon/cache/ref.h"

namespace bk::source {

enum class ResolveMode { kDefault, kForcePull, kPreferLocal };
using Attributes = std::map<std::string, std::string>;
using StringList = std::optional<std::vector<std::string>>;  // absent is not empty: keys differ

struct ImageIdentifier {
  SourceReference reference;
  ResolveMode mode = ResolveMode::kDefault;
  std::string record_type;  // "" if not given
  std::optional<int> layer_limit;
  Digest checksum;
};

struct OciLayoutIdentifier {
  SourceReference reference;
  std::string session_id, store_id;
  std::optional<int> layer_limit;
};

struct BlobIdentifier {
  bool oci_layout = false;
  SourceReference reference;
  std::string session_id, store_id, record_type, filename;
  int64_t perm = 0, uid = 0, gid = 0;
};

struct LocalIdentifier {
  std::string name, session_id, shared_key_hint;
  StringList include_patterns, exclude_patterns, follow_paths, metadata_exceptions;
  bool differ_none = false, metadata_only = false;
};

struct GitIdentifier {
  std::string remote, ref, subdir, checksum, mtime;
  std::string auth_token_secret, auth_header_secret, mount_ssh_sock, known_ssh_hosts;
  bool keep_git_dir = false, skip_submodules = false, fetch_by_commit = false, checkout_bundle = false;
  std::string bundle, bundle_session_id, bundle_store_id;
  struct Signature {
    std::string public_key;
    bool reject_expired = false, require_signed_tag = false, ignore_signed_tag = false;
  };
  std::optional<Signature> signature;
};

struct HttpIdentifier {
  bool tls = false;
  std::string url, filename, auth_header_secret;
  Digest checksum;
  int64_t perm = 0, uid = 0, gid = 0;
  std::map<std::string, std::string> headers;  // canonical names
  struct Signature {
    std::string public_key, signature;
  };
  std::optional<Signature> signature;
};

using Identifier = std::variant<ImageIdentifier, OciLayoutIdentifier, BlobIdentifier, LocalIdentifier, GitIdentifier, HttpIdentifier>;

// The part before "://". InvalidArgument `failed to parse X: invalid`.
absl::StatusOr<std::string> SchemeOf(const std::string& identifier);
// NotFound `unknown scheme X: not found`.
absl::StatusOr<Identifier> ParseIdentifier(const std::string& identifier, const Attributes& attributes);
std::string CanonicalText(const Identifier& identifier);
absl::StatusOr<cache::RecordType> ParseRecordType(const std::string& text);  // of image.recordtype

}  // namespace bk::source
