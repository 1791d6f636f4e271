// Trees that the caller puts in place of images and stages: opt "context:NAME" = "docker-image://…", "oci-layout://…@DIGEST",
// "local:NAME", "input:NAME", or the address of a repository or a file (DFE rows of named contexts).
//
// Rules: reference, frontend/dockerui/namedcontext.go.
#pragma once

#include <optional>
#include <string>

#include "daemon/frontend/dockerfile/convert/options.h"

namespace bk::dockerfile {

struct Conversion;
struct StageState;

struct NamedContext {
  std::string input;       // what the caller gave
  std::string name;        // of the image or stage, familiar, without ":latest"
  std::string shown_name;  // the key that matched: the name, or "name::platform"
};

// The context that replaces `name` on `platform`, if there is one. Never "scratch" and "context".
absl::StatusOr<std::optional<NamedContext>> FindNamedContext(const BuildOptions& options, const std::string& name, const Platform& platform);

// The same without that exception; InvalidArgument for what cannot name a context, also if there is none at all.
absl::StatusOr<std::optional<NamedContext>> LookUpNamedContext(const BuildOptions& options, const std::string& name, const Platform& platform);

// Asks for what the context needs (an image's configuration, a directory's .dockerignore) and sets the stage's state, and its image
// unless the context has none. True if it had one. The paths of a directory are decided when the whole file is converted.
absl::StatusOr<bool> LoadNamedContext(Conversion& conversion, StageState& stage, const NamedContext& context, const std::optional<Platform>& platform);

// Decides the directories that LoadNamedContext left open.
void BindNamedDirectories(Conversion& conversion);

}  // namespace bk::dockerfile
