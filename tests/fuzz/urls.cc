// What names places: URLs, git and image references, platforms. What is printed reads back as the same.
#include "base/go_url.h"
#include "base/platform.h"
#include "base/reference.h"
#include "base/git_url.h"
#include "daemon/source/identifier.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bk;
  std::string text(fuzz::Text(data, std::min<size_t>(size, 4096)));
  if (auto url = GoUrl::Parse(text); url.ok()) {
    std::string once = url->str();
    auto again = GoUrl::Parse(once);
    if (again.ok()) fuzz::Require(again->str() == once || url->path.starts_with("//"), "a URL that was printed reads the same", once);
    EncodeQuery(url->query());
    url->hostname();
    url->port();
    (void)url->Resolve("../x?y#z").ok();
    RedactCredentials(text);
    (void)GitUrl::From(*url);
  }
  if (auto reference = ImageReference::Parse(text); reference.ok()) {
    auto again = ImageReference::Parse(reference->str());
    fuzz::Require(again.ok() && again->str() == reference->str(), "an image reference that was printed reads the same", reference->str());
    auto familiar = ImageReference::Parse(reference->familiar());
    fuzz::Require(familiar.ok() && familiar->str() == reference->str(), "a familiar name is completed to where it came from", reference->familiar());
  }
  (void)SourceReference::Parse(text).ok();
  (void)SourceReference::ParseWithObject(text).ok();
  if (auto platform = ParsePlatform(text); platform.ok()) {
    Platform normal = NormalizePlatform(*platform);
    fuzz::Require(NormalizePlatform(normal) == normal, "a platform is normal after it was normalised", text);
    fuzz::Require(PlatformMatches(normal, normal, false), "a platform matches itself", text);
    // Nothing is known to run where arm64's variant is an unknown one (containerd's rule), itself included.
    fuzz::Require(normal.architecture == "arm64" || PlatformMatches(normal, normal, true), "a platform runs its own programs", text);
  }
  IsGitTransport(text);
  if (auto url = GitUrl::Parse(text); url.ok()) {
    fuzz::Require(("/" + url->subdir + "/").find("/../") == std::string::npos, "a subdirectory stays inside", url->subdir);
  }
  (void)GitContext::Parse(text).ok();
  return 0;
}
