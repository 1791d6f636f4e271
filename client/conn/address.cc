#include "client/conn/address.h"

#include <cstdlib>

#include "base/go_url.h"
#include "base/os/file.h"
#include "client/conn/helper_address.h"

namespace bk::client {
namespace {

constexpr char kSystemSocket[] = "/run/buildkit/buildkitd.sock";

}  // namespace

absl::StatusOr<Address> ParseAddress(const std::string& text) {
  size_t mark = text.find("://");
  std::string scheme = mark == std::string::npos ? "" : text.substr(0, mark);
  if (IsHelperScheme(scheme)) {
    BK_TRY(GoUrl url, GoUrl::Parse(text));
    BK_TRY(auto command, HelperCommand(url));
    return Address{text, "", "", url.host, url.hostname(), std::move(command)};
  }
  if (scheme == "unix") {
    std::string path = text.substr(mark + 3);
    if (path.empty()) return InvalidArgument("invalid address ", Quote(text), ": no path");
    return Address{text, path, "unix:" + path, "localhost"};
  }
  if (scheme == "tcp") {
    BK_TRY(GoUrl url, GoUrl::Parse(text));
    if (url.host.empty()) return InvalidArgument("invalid address ", Quote(text), ": no host");
    return Address{text, "", "dns:///" + url.host, url.host, url.hostname()};
  }
  return InvalidArgument("invalid address ", Quote(text), " (use unix:///PATH, tcp://HOST:PORT, docker-container://, podman-container://, nerdctl-container://, kube-pod:// or ssh://)");
}

std::string DefaultAddress() {
  if (const char* host = std::getenv("BUILDKIT_HOST"); host != nullptr && *host != 0) return host;
  const char* runtime_dir = std::getenv("XDG_RUNTIME_DIR");
  if (!os::Exists(kSystemSocket) && runtime_dir != nullptr && *runtime_dir != 0) {
    std::string own = StrCat(runtime_dir, "/buildkit/buildkitd.sock");
    if (os::Exists(own)) return "unix://" + own;
  }
  return StrCat("unix://", kSystemSocket);
}

}  // namespace bk::client
