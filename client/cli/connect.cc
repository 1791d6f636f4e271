#include "client/cli/connect.h"

#include "base/os/file.h"
#include "client/cli/daemonless.h"

namespace bk::client {
namespace {

absl::Status CheckTls(const flags::Values& values) {
  std::string directory = values.String("tlsdir");
  if (!directory.empty()) {
    for (const char* flag : {"tlscacert", "tlscert", "tlskey"}) {
      if (!values.String(flag).empty()) return InvalidArgument("cannot specify tlsdir and tlscacert/tlscert/tlskey at the same time");
    }
    for (auto [name, other] : {std::pair("ca.pem", "ca.crt"), std::pair("cert.pem", "tls.crt"), std::pair("key.pem", "tls.key")}) {
      if (!os::Exists(StrCat(directory, "/", name)) && !os::Exists(StrCat(directory, "/", other))) {
        return NotFound("directory did not contain one of the needed files: ", name, " or ", other);
      }
    }
  }
  for (const char* flag : {"tlsdir", "tlscacert", "tlscert", "tlskey", "tlsservername"}) {
    if (!values.String(flag).empty()) return Unimplemented("--", flag, " is not built yet (use a unix socket)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connect(const CancelToken& cancel, const flags::Values& values) {
  BK_RETURN_IF_ERROR(CheckTls(values));
  std::string where = values.String("addr");
  std::shared_ptr<PrivateDaemon> daemon;
  if (values.Bool("daemonless")) {
    if (values.IsSet("addr")) return InvalidArgument("--daemonless and --addr exclude each other");
    BK_ASSIGN(daemon, PrivateDaemon::Join(cancel));
    where = daemon->address();
  }
  BK_TRY(Address address, ParseAddress(where));
  auto connection = std::make_unique<Connection>(std::move(address), std::move(daemon));
  int64_t timeout_s = values.Int("timeout");
  auto timeout = timeout_s > 0 ? std::chrono::milliseconds(timeout_s * 1000) : std::chrono::milliseconds(std::chrono::hours(24 * 365));
  if (values.Bool("wait")) BK_RETURN_IF_ERROR(connection->WaitUntilReady(cancel, timeout));
  return connection;
}

}  // namespace bk::client
