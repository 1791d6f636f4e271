#include "daemon/source/table.h"

#include "daemon/registry/registry.h"
#include "daemon/source/git/git.h"
#include "daemon/source/http/http.h"
#include "daemon/source/identifier.h"

namespace bk::source {
namespace {

// A scheme whose identifiers are understood (policies, canonical names) but whose trees cannot be brought in.
class UnavailableSource final : public Source {
 public:
  absl::StatusOr<std::unique_ptr<SourceInstance>> Resolve(const SourceRequest& request) override {
    BK_RETURN_IF_ERROR(ParseIdentifier(request.identifier, request.attrs));
    BK_TRY(std::string scheme, SchemeOf(request.identifier));
    return Unimplemented("source ", scheme, ":// is not built into this daemon");
  }
};

using Make = std::unique_ptr<Source> (*)(const SourceDependencies&);

ImageSourceOptions ImageOptions(const SourceDependencies& d) { return {d.registry, d.sessions, d.cache, d.content}; }
std::unique_ptr<Source> Image(const SourceDependencies& d) { return MakeImageSource(ImageOptions(d)); }
std::unique_ptr<Source> OciLayout(const SourceDependencies& d) { return MakeOciLayoutSource(ImageOptions(d)); }
std::unique_ptr<Source> Local(const SourceDependencies& d) { return MakeLocalSource({d.sessions, d.cache}); }
std::unique_ptr<Source> Git(const SourceDependencies& d) { return MakeGitSource({d.sessions, d.cache}); }
std::unique_ptr<Source> Http(const SourceDependencies& d) { return MakeHttpSource({&d.registry->http(), d.sessions, d.cache}); }
std::unique_ptr<Source> Unavailable(const SourceDependencies&) { return std::make_unique<UnavailableSource>(); }

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
    {"docker-image+blob", &Unavailable},
    {"oci-layout+blob", &Unavailable},
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
