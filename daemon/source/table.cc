#include "daemon/source/table.h"

#include "daemon/registry/registry.h"
#include "daemon/source/blob.h"
#include "daemon/source/git/git.h"
#include "daemon/source/http/http.h"
#include "daemon/source/identifier.h"

namespace bk::source {
namespace {

using Make = std::unique_ptr<Source> (*)(const SourceDependencies&);

ImageSourceOptions ImageOptions(const SourceDependencies& d) { return {d.registry, d.sessions, d.cache, d.content, d.known}; }
std::unique_ptr<Source> Image(const SourceDependencies& d) { return MakeImageSource(ImageOptions(d)); }
std::unique_ptr<Source> OciLayout(const SourceDependencies& d) { return MakeOciLayoutSource(ImageOptions(d)); }
std::unique_ptr<Source> Local(const SourceDependencies& d) { return MakeLocalSource({d.sessions, d.cache}); }
std::unique_ptr<Source> Git(const SourceDependencies& d) { return MakeGitSource({.sessions = d.sessions, .cache = d.cache, .known = d.known, .registry = d.registry, .content = d.content}); }
std::unique_ptr<Source> Http(const SourceDependencies& d) { return MakeHttpSource({&d.registry->http(), d.sessions, d.cache}); }
std::unique_ptr<Source> Blob(const SourceDependencies& d) { return MakeBlobSource(ImageOptions(d)); }

struct SourceRow {
  const char* scheme;
  Make make;
};
constexpr SourceRow kSources[] = {
    {"docker-image", &Image},
    {"oci-layout", &OciLayout},
    {"local", &Local},
    {"git", &Git},
    {"http", &Http},
    {"https", &Http},
    {"docker-image+blob", &Blob},
    {"oci-layout+blob", &Blob},
};

class TableManager final : public SourceManager {
 public:
  explicit TableManager(const SourceDependencies& dependencies) {
    for (const SourceRow& row : kSources) sources_[row.scheme] = row.make(dependencies);
  }
  absl::StatusOr<Source*> ForIdentifier(const std::string& identifier) override {
    BK_TRY(std::string scheme, SchemeOf(identifier));
    auto found = sources_.find(scheme);
    if (found == sources_.end()) return NotFound("unknown scheme ", scheme, ": not found");
    return found->second.get();
  }
  absl::StatusOr<std::string> Canonical(const std::string& identifier) const override {
    BK_TRY(Identifier parsed, ParseIdentifier(identifier, {}));
    return CanonicalText(parsed);
  }

 private:
  std::map<std::string, std::unique_ptr<Source>> sources_;
};

}  // namespace

std::unique_ptr<SourceManager> MakeSourceManager(const SourceDependencies& dependencies) { return std::make_unique<TableManager>(dependencies); }

}  // namespace bk::source
