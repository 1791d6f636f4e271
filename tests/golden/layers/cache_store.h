// A store of the cache in a fresh directory, for cases about refs.
#pragma once

#include <memory>
#include <string>

#include "base/os/file.h"
#include "daemon/cache/store.h"
#include "tests/golden/layers/tree.h"

namespace bk::golden::layers {

struct TestStore {
  os::TempDir dir;
  std::unique_ptr<cache::Store> store;
  static absl::StatusOr<TestStore> Make(const std::string& snapshotter);
  // A committed layer on `parent` with the instructions done in it.
  absl::StatusOr<cache::ImmutablePtr> Layer(const cache::ImmutablePtr& parent, const Json& ops);
  // A committed layer on `parent` with a tar stream unpacked on it.
  absl::StatusOr<cache::ImmutablePtr> FromStream(const cache::ImmutablePtr& parent, const std::string& tar);
  // The uncompressed bytes of a blob.
  absl::StatusOr<std::string> Plain(const Digest& blob);
};

}  // namespace bk::golden::layers
