// A store of the native snapshotter in a directory of its own (needs no privileges), and small trees in it.
#pragma once

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "base/os/file.h"
#include "daemon/cache/store.h"

namespace bk::cache {

struct StoreFixture {
  os::TempDir dir = *os::TempDir::Make("cache-test-");
  std::unique_ptr<Store> store;
  CancelToken cancel;

  StoreFixture() { Open(); }
  void Open() {
    store.reset();
    auto opened = Store::Open({dir.path(), "native"});
    REQUIRE_MESSAGE(opened.ok(), opened.status().ToString());
    store = *std::move(opened);
  }
  CacheManager& manager() { return store->manager(); }

  MutablePtr New(const ImmutablePtr& parent, const std::string& file, const std::string& bytes, const NewOptions& options = {}) {
    auto tree = manager().New(cancel, {}, parent, options);
    REQUIRE_MESSAGE(tree.ok(), tree.status().ToString());
    Write(**tree, file, bytes);
    return *std::move(tree);
  }
  void Write(const MutableRef& tree, const std::string& file, const std::string& bytes) {
    auto active = tree.Mount(cancel, {}, false);
    REQUIRE(active.ok());
    REQUIRE(os::WriteFile((*active)->mounts()[0].source + "/" + file, bytes, 0644).ok());
  }
  ImmutablePtr Layer(const ImmutablePtr& parent, const std::string& file, const std::string& bytes) {
    auto ref = New(parent, file, bytes)->Commit(cancel);
    REQUIRE_MESSAGE(ref.ok(), ref.status().ToString());
    return *ref;
  }
  std::string Read(const ImmutablePtr& ref, const std::string& file) {
    auto active = ref->Mount(cancel, {}, true);
    REQUIRE_MESSAGE(active.ok(), active.status().ToString());
    return os::ReadFile((*active)->mounts()[0].source + "/" + file).value_or("(none)");
  }
  size_t Snapshots() { return os::ListDir(dir.path() + "/snapshots")->size(); }
  size_t Blobs() { return store->content().List()->size(); }

  // Runs `work` on a store of this directory in a child that is then ended without any clean-up, as by SIGKILL.
  void Crash(const std::function<void(StoreFixture&)>& work) {
    store.reset();
    pid_t child = fork();
    if (child == 0) {
      Open();
      work(*this);
      _exit(7);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WEXITSTATUS(status) == 7);
  }
};

}  // namespace bk::cache
