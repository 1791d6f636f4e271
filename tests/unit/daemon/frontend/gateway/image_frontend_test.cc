#include "daemon/frontend/gateway/image_frontend.h"

#include <doctest/doctest.h>

namespace bk::frontend::gateway {
namespace {

TEST_CASE("which images the built-in frontend stands for") {
  CHECK(IsBuiltIn("docker/dockerfile", {}));
  CHECK(IsBuiltIn("docker/dockerfile:1", {}));
  CHECK(IsBuiltIn("docker.io/docker/dockerfile-upstream:master", {}));
  CHECK_FALSE(IsBuiltIn("docker/dockerfile@sha256:0123456789012345678901234567890123456789012345678901234567890123", {}));
  CHECK_FALSE(IsBuiltIn("example.com/docker/dockerfile:1", {}));
  CHECK_FALSE(IsBuiltIn("docker/dockerfiles", {}));
  CHECK_FALSE(IsBuiltIn("Not A Name", {}));
}

TEST_CASE("a named context in place of such an image is somebody's own frontend") {
  for (const char* context : {"context:docker/dockerfile", "context:docker/dockerfile:1", "context:docker/dockerfile::linux/arm64", "context:docker/dockerfile@sha256:x"}) {
    CHECK_MESSAGE(!IsBuiltIn("docker/dockerfile:1", {{context, "local:x"}}), context);
  }
  CHECK(IsBuiltIn("docker/dockerfile:1", {{"context:docker/dockerfile-upstream", "local:x"}, {"context:docker/dockerfiles", "local:x"}}));
  CHECK_FALSE(IsBuiltIn("docker/dockerfile:1", {{"context:docker/dockerfile-upstream", "local:x"}, {"context:docker/dockerfile:1", "local:x"}}));
  CHECK(IsBuiltIn("docker/dockerfile-upstream", {{"context:docker/dockerfile", "local:x"}}));
}

}  // namespace
}  // namespace bk::frontend::gateway
