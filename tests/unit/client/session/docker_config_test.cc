#include "client/session/docker_config.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "base/digest.h"
#include "base/os/file.h"
#include "client/session/token_authority.h"

using namespace bk;
using namespace bk::client;

namespace {

const CancelToken kNever = CancelToken::Never();

// A configuration directory, and a helper program "docker-credential-test" in PATH.
class Directory {
 public:
  explicit Directory(const std::string& config) : temp_(*os::TempDir::Make("docker")), old_path_(std::getenv("PATH")) {
    REQUIRE(os::WriteFile(temp_.path() + "/config.json", config, 0600).ok());
    setenv("PATH", (temp_.path() + ":" + old_path_).c_str(), 1);
  }
  ~Directory() {
    setenv("PATH", old_path_.c_str(), 1);
    unsetenv("DOCKER_AUTH_CONFIG");
  }
  void Helper(const std::string& script) { REQUIRE(os::WriteFile(temp_.path() + "/docker-credential-test", "#!/bin/sh\n" + script, 0755).ok()); }
  DockerConfig Load() const { return DockerConfig::Load(temp_.path()); }
  const std::string& path() const { return temp_.path(); }

 private:
  os::TempDir temp_;
  std::string old_path_;
};

}  // namespace

TEST_CASE("credentials come from auths, also under old keys with a scheme") {
  Directory directory(R"({"auths":{"a.example":{"auth":"dTpw"},"https://b.example:5000/v1/":{"auth":"dTpxOnI="},"c.example":{"auth":"dTpw","identitytoken":"tok"}}})");
  DockerConfig config = directory.Load();
  CHECK(config.Lookup(kNever, "a.example")->User() == "u");
  CHECK(config.Lookup(kNever, "a.example")->Secret() == "p");
  CHECK(config.Lookup(kNever, "b.example:5000")->Secret() == "q:r");
  CHECK(config.Lookup(kNever, "c.example")->Secret() == "tok");
  CHECK(config.Lookup(kNever, "c.example")->User().empty());
  CHECK(config.Lookup(kNever, "d.example")->Secret().empty());
}

TEST_CASE("Docker Hub's registry has its own key") {
  Directory directory(R"({"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}})");
  CHECK(directory.Load().Lookup(kNever, "registry-1.docker.io")->Secret() == "p");
}

TEST_CASE("a helper of the host is asked, else the default one") {
  Directory directory(R"({"credHelpers":{"h.example":"test"},"auths":{"x.example":{"auth":"dTpw"}}})");
  directory.Helper("read host; echo \"{\\\"Username\\\":\\\"$host\\\",\\\"Secret\\\":\\\"s\\\"}\"\n");
  CHECK(directory.Load().Lookup(kNever, "h.example")->User() == "h.example");
  CHECK(directory.Load().Lookup(kNever, "x.example")->User() == "u");
}

TEST_CASE("a helper may know nothing, have a token, or fail") {
  Directory directory(R"({"credsStore":"test"})");
  directory.Helper("echo 'credentials not found in native keychain'; exit 1\n");
  CHECK(directory.Load().Lookup(kNever, "h.example")->Secret().empty());
  directory.Helper("echo '{\"Username\":\"<token>\",\"Secret\":\"t\"}'\n");
  CHECK(directory.Load().Lookup(kNever, "h.example")->identity_token == "t");
  directory.Helper("echo locked; exit 2\n");
  CHECK(directory.Load().Lookup(kNever, "h.example").status().message() == "error getting credentials - err: exit status 2, out: `locked`");
}

TEST_CASE("DOCKER_AUTH_CONFIG comes first; a broken one is ignored") {
  Directory directory(R"({"auths":{"a.example":{"auth":"dTpw"}}})");
  setenv("DOCKER_AUTH_CONFIG", R"({"auths":{"a.example":{"auth":"ZTpm"}}})", 1);
  CHECK(directory.Load().Lookup(kNever, "a.example")->User() == "e");
  setenv("DOCKER_AUTH_CONFIG", R"({"auths":{"a.example":{"auth":"ZTpm","email":"x"}}})", 1);
  CHECK(directory.Load().Lookup(kNever, "a.example")->User() == "u");
}

TEST_CASE("a broken configuration file is an empty one") {
  for (const char* text : {"{", "[]", "", R"({"auths":7,"credHelpers":[]})", R"({"auths":{"a":{"auth":"!!"}}})"}) {
    Directory directory(text);
    auto found = directory.Load().Lookup(kNever, "a");
    REQUIRE(found.ok());
    CHECK(found->Secret().empty());
  }
}

TEST_CASE("clients without a secret have the key that follows from the salt alone") {
  Directory directory("{}");
  TokenAuthority authority(directory.path());
  // As the reference's client answered (golden wire 15).
  std::string salt = *Base64Decode("M1nD4BU/s9C8g7V/gSpf2f2Pu1kIBPavj6/9GWJ0zAk=");
  CHECK(Base64Encode(*authority.PublicKey("h", salt, false)) == "hlJ/Bfg923ok0suGja+FJ6ZYXxQyRTUSCjSizhQuLHI=");
  CHECK(*authority.PublicKey("other", salt, false) == *authority.PublicKey("h", salt, false));
  CHECK_FALSE(os::Exists(directory.path() + "/.token_seed"));
}

TEST_CASE("with a secret the key follows from a seed that is kept, one a host") {
  Directory directory("{}");
  TokenAuthority authority(directory.path());
  std::string first = *authority.PublicKey("h", "salt", true);
  CHECK(*TokenAuthority(directory.path()).PublicKey("h", "salt", true) == first);
  CHECK(*authority.PublicKey("other", "salt", true) != first);
  CHECK(*authority.PublicKey("h", "salt2", true) != first);
  std::string signed_text = *authority.Sign("h", "salt", true, "payload");
  CHECK(signed_text.size() == 64 + 7);
  CHECK(signed_text.substr(64) == "payload");
}
