#include "base/reference.h"

#include <re2/re2.h>

#include "base/go_url.h"
#include "base/path.h"
#include "base/unicode.h"

namespace bk {
namespace {

constexpr size_t kMaxPathBytes = 255;
constexpr char kDefaultDomain[] = "docker.io";
constexpr char kOfficialPrefix[] = "library/";

// Domain (group 1), path (2), tag (3), digest (4).
const RE2& ReferenceRegexp() {
  static const RE2* const regexp = [] {
    std::string label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    std::string domain = "(?:" + label + "(?:\\." + label + ")*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?";
    std::string component = "[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*";
    return new RE2("(" + domain + ")/(" + component + "(?:/" + component + ")*)(?::([\\w][\\w.-]{0,127}))?" +
                   "(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[[:xdigit:]]{32,}))?");
  }();
  return *regexp;
}

void SplitDomain(std::string_view text, std::string& domain, std::string& rest) {
  size_t slash = text.find('/');
  std::string_view first = text.substr(0, slash);
  bool is_domain = slash != std::string_view::npos && (first == "localhost" || first == "index.docker.io" ||
                                                       first.find_first_of(".:") != std::string_view::npos || ToLower(first) != first);
  domain = is_domain && first != "index.docker.io" ? std::string(first) : kDefaultDomain;
  rest = is_domain ? text.substr(slash + 1) : text;
  if (domain == kDefaultDomain && rest.find('/') == std::string::npos) rest.insert(0, kOfficialPrefix);
}

}  // namespace

absl::StatusOr<ImageReference> ImageReference::Parse(std::string_view text) {
  static const RE2* const identifier = new RE2("[a-f0-9]{64}");
  if (RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *identifier)) {
    return InvalidArgument("invalid repository name (", text, "), cannot specify 64-byte hexadecimal strings");
  }
  ImageReference ref;
  std::string rest, digest;
  SplitDomain(text, ref.domain_, rest);
  std::string remote = rest.substr(0, rest.find(':'));
  if (ToLower(remote) != remote) {
    return InvalidArgument("invalid reference format: repository name (", remote, ") must be lowercase");
  }
  std::string whole = ref.domain_ + "/" + rest;
  if (!RE2::FullMatch(whole, ReferenceRegexp(), &ref.domain_, &ref.path_, &ref.tag_, &digest)) {
    if (RE2::FullMatch(ToLower(whole), ReferenceRegexp())) return InvalidArgument("repository name must be lowercase");
    return InvalidArgument("invalid reference format");
  }
  if (ref.path_.size() > kMaxPathBytes) return InvalidArgument("repository name must not be more than ", kMaxPathBytes, " characters");
  if (!digest.empty()) {
    BK_TRY(ref.digest_, Digest::Parse(digest));
  }
  return ref;
}

std::string ImageReference::Suffix() const {
  return (tag_.empty() ? "" : ":" + tag_) + (digest_.empty() ? "" : "@" + digest_.str());
}

std::string ImageReference::str() const { return name() + Suffix(); }

std::string ImageReference::familiar_name() const {
  if (domain_ != kDefaultDomain) return name();
  std::string_view path = path_;
  if (path.starts_with(kOfficialPrefix)) {
    std::string_view rest = path.substr(sizeof kOfficialPrefix - 1);
    if (rest.find('/') == std::string_view::npos) return std::string(rest);
  }
  return path_;
}

std::string ImageReference::familiar() const { return familiar_name() + Suffix(); }

ImageReference ImageReference::WithDefaultTag() const {
  ImageReference copy = *this;
  if (name_only()) copy.tag_ = "latest";
  return copy;
}

ImageReference ImageReference::WithDigest(Digest digest) const {
  ImageReference copy = *this;
  copy.digest_ = std::move(digest);
  return copy;
}

ImageReference ImageReference::ForRegistry() const {
  ImageReference copy = WithDefaultTag();
  if (!digest_.empty()) copy.tag_.clear();
  return copy;
}

absl::StatusOr<SourceReference> SourceReference::Parse(std::string_view text) {
  if (text.find("://") != std::string_view::npos) return InvalidArgument("invalid reference");
  BK_TRY(GoUrl url, GoUrl::Parse(StrCat("dummy://", text)));
  if (url.host.empty()) return InvalidArgument("hostname required");
  SourceReference ref;
  size_t split = url.path.find_first_of(":@");
  if (split != std::string::npos) {
    ref.object = url.path.substr(url.path[split] == ':' ? split + 1 : split);
    url.path.resize(split);
  }
  ref.locator = JoinPath(url.host, url.path);
  return ref;
}

absl::StatusOr<SourceReference> SourceReference::ParseWithObject(std::string_view text) {
  BK_TRY(SourceReference ref, Parse(text));
  if (ref.object.empty()) return InvalidArgument("object required");
  return ref;
}

std::string SourceReference::digest_text() const {
  size_t at = object.find('@');
  return at == std::string::npos ? "" : object.substr(at + 1);
}

std::string SourceReference::str() const {
  if (object.empty()) return locator;
  return object[0] == '@' ? locator + object : locator + ":" + object;
}

}  // namespace bk
