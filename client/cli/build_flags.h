// The values of build's flags: what each may say, and what it means. Errors have the reference's texts.
//
// Pure but for the environment and for the files that outputs open.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/session/secrets.h"
#include "client/solve/options.h"

namespace bk::client {

using Texts = std::vector<std::string>;

// key=value each; "build-arg:NAME" takes the variable of that name, or is left out; SOURCE_DATE_EPOCH is passed on.
absl::StatusOr<Attributes> ParseOpts(const Texts& opts);
// name=directory each, with links resolved.
absl::StatusOr<std::map<std::string, std::string>> ParseLocals(const Texts& locals);
absl::StatusOr<std::map<std::string, std::shared_ptr<BlobStore>>> ParseOciLayouts(const Texts& layouts);

// type=…,dest=…,key=value. Opens the file of a tar-like output (stdout for "-" or none, unless that is a terminal).
absl::StatusOr<ExportEntry> ParseOutput(const std::string& text);

enum class CacheUse { kExport, kImport };
// type=…,key=value, or the old form: a bare image name (with a warning).
absl::StatusOr<CacheEntry> ParseCache(const std::string& text, CacheUse use);

// id=…,src=…|env=…,type=file|env
absl::StatusOr<SecretSource> ParseSecret(const std::string& text);

struct Entitlement {
  std::string name;
  bool all_devices = false;
  std::map<std::string, std::string> devices;  // name or alias → "" or name
};
absl::StatusOr<Entitlement> ParseEntitlement(const std::string& text);

}  // namespace bk::client
