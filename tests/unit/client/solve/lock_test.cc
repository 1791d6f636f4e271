#include "client/solve/lock.h"

#include <doctest/doctest.h>

#include "base/digest.h"
#include "base/version.h"
#include "daemon/llb/policy/source_policy.h"

using namespace bk;
using namespace bk::client;

namespace {

const std::string kA = DigestOf("a").str(), kB = DigestOf("b").str(), kCommit(40, 'c');
const std::string kImage = "docker-image://docker.io/library/base:1", kGit = "git://host/r.git#main", kUrl = "https://host/f";

llb::SourceLock Lock() {
  llb::SourceLock lock;
  REQUIRE(lock.Add(kImage, kA, "linux/amd64").ok());
  REQUIRE(lock.Add("docker-image://docker.io/library/other@" + kB, kB, "").ok());
  REQUIRE(lock.Add(kGit, kCommit, "").ok());
  REQUIRE(lock.Add(kUrl, kB, "").ok());
  return lock;
}

absl::StatusOr<pb::SourceOp> Judge(const std::string& identifier) {
  pb::SourceOp op;
  op.set_identifier(identifier);
  BK_RETURN_IF_ERROR(llb::SourcePolicy({LockPolicy(Lock())}).Apply(op));
  return op;
}

}  // namespace

TEST_CASE("a lock file as a policy puts the locked values in and refuses every other source") {
  CHECK(Judge(kImage)->identifier() == kImage + "@" + kA);
  CHECK(Judge(kImage + "@" + kA)->identifier() == kImage + "@" + kA);
  CHECK(Judge("docker-image://docker.io/library/other@" + kB).ok());
  CHECK(Judge(kGit)->attrs().at("git.checksum") == kCommit);
  CHECK(Judge(kUrl)->attrs().at("http.checksum") == kB);
  for (const char* inside : {"local://context", "http://buildkit-session/x", "oci-layout://x@sha256:1"}) CHECK(Judge(inside).ok());
  for (const std::string& other : {kImage + "@" + kB, std::string("docker-image://docker.io/library/base:2"), std::string("git://host/r.git#dev"), std::string("https://host/g"), std::string("http://host/f")}) {
    CAPTURE(other);
    CHECK(Message(Judge(other).status()) == StrCat("source ", Quote(other), " denied by policy: source denied by policy"));
  }
}

TEST_CASE("other daemons get a policy, and are not asked for what they cannot do") {
  SolveOptions options;
  options.lock.locked = Lock();
  REQUIRE(FitLockToDaemon(kPackage, options).ok());
  CHECK_FALSE(options.source_policy.has_value());
  Attributes attrs;
  AddLockAttributes(options.lock, attrs);
  CHECK(attrs == Attributes{{llb::kLockSourcesAttr, Lock().Text()}});

  options.source_policy.emplace().add_rules()->mutable_selector()->set_identifier("own");
  REQUIRE(FitLockToDaemon("github.com/moby/buildkit", options).ok());
  CHECK(options.source_policy->rules(0).selector().identifier() == "own");
  CHECK(options.source_policy->rules_size() == LockPolicy(Lock()).rules_size() + 1);
  CHECK_FALSE(options.lock.locked.has_value());

  options.lock.offline = true;
  CHECK(Message(FitLockToDaemon("x", options)).starts_with("--offline: daemon x does not know"));
  options.lock = {};
  options.lock.record = true;
  CHECK(Message(FitLockToDaemon("", options)).starts_with("--lock: this daemon does not say"));
}
