#include "client/cli/dump_metadata.h"

#include <fcntl.h>
#include <sys/file.h>

#include <doctest/doctest.h>

#include "base/os/file.h"
#include "snapshotter/meta/database.h"

namespace bk::client {
namespace {

TEST_CASE("dump-metadata: what a killed daemon left in its log is printed, and nothing is left beside it") {
  os::TempDir killed = os::TempDir::Make("killed-").value(), live = os::TempDir::Make("live-").value();
  auto db = meta::Database::Open(live.path() + "/store.db").value();
  REQUIRE(db->Run("INSERT INTO leases VALUES(?,?)", {"image/\"x", "sha256:0"}).ok());
  // The files as they are now are those of a daemon that is killed now.
  for (const char* name : {"/store.db", "/store.db-wal"}) REQUIRE(os::WriteFile(killed.path() + name, os::ReadFile(live.path() + name).value(), 0600).ok());
  auto files = os::ListDir(killed.path()).value();
  auto text = DumpDatabase(killed.path() + "/store.db");
  REQUIRE_MESSAGE(text.ok(), Message(text.status()));
  CHECK(text->find("bucket \"leases\":\n  \"image/\\\"x\": digest=\"sha256:0\"\n") != std::string::npos);
  CHECK(os::ListDir(killed.path()).value() == files);
}

TEST_CASE("dump-metadata: a daemon's directory, and what is no database") {
  os::TempDir dir = os::TempDir::Make("root-").value();
  const std::string path = dir.path() + "/store.db";
  REQUIRE(os::WriteFile(path, std::string(5000, 'x'), 0600).ok());
  CHECK(absl::IsInvalidArgument(DumpDatabase(path).status()));
  REQUIRE(os::WriteFile(dir.path() + "/buildkitd.lock", "", 0600).ok());
  CHECK(absl::IsInvalidArgument(DumpDatabase(path).status()));
  os::UniqueFd lock = os::Open(dir.path() + "/buildkitd.lock", O_RDWR).value();
  REQUIRE(flock(lock.get(), LOCK_EX | LOCK_NB) == 0);
  CHECK(Message(DumpDatabase(path).status()).ends_with("is in use: end the daemon first"));
}

}  // namespace
}  // namespace bk::client
