#include "daemon/frontend/dockerfile/convert/remote_source.h"

#include <re2/re2.h>

#include "base/digest.h"
#include "base/path.h"

namespace bk::dockerfile {
namespace {

bool HasHttpScheme(std::string_view source) { return source.starts_with("http://") || source.starts_with("https://"); }

// The path of a URL, still encoded.
std::string_view UrlPath(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  url = url.substr(0, url.find_first_of("?#"));
  size_t slash = url.find('/');
  return slash == std::string_view::npos ? std::string_view() : url.substr(slash);
}

}  // namespace

bool IsGitSource(std::string_view source) {
  if (source.starts_with("./") || source.starts_with("../")) return false;
  if (HasHttpScheme(source)) return UrlPath(source).ends_with(".git");
  if (source.starts_with("git://") || source.starts_with("ssh://")) return true;
  // user@host:path, as scp takes it
  static const RE2* const scp = new RE2(R"([a-zA-Z0-9-_]+@[a-zA-Z0-9-.]+:.*)");
  return RE2::FullMatch(re2::StringPiece(source.data(), source.size()), *scp);
}

bool IsHttpSource(std::string_view source) { return HasHttpScheme(source) && !IsGitSource(source); }

std::string DownloadName(std::string_view url) {
  constexpr char kUnnamed[] = "__unnamed__";
  std::string path;
  std::string_view encoded = UrlPath(url);
  for (size_t i = 0; i < encoded.size(); i++) {
    if (encoded[i] != '%') {
      path += encoded[i];
      continue;
    }
    auto byte = HexDecode(encoded.substr(std::min(i + 1, encoded.size()), 2));
    if (!byte.ok() || byte->size() != 1) return kUnnamed;
    path += *byte;
    i += 2;
  }
  std::string name = BaseName(path);
  return name == "." || name == "/" ? kUnnamed : name;
}

}  // namespace bk::dockerfile
