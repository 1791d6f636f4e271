#include "client/cli/connect.h"

#include "base/os/file.h"
#include "client/cli/daemonless.h"

namespace bk::client {
namespace {

// --tlsdir DIR, with either set of names.
absl::StatusOr<wire::TlsFiles> FilesOf(const std::string& directory) {
  wire::TlsFiles files;
  struct {
    std::string& into;
    const char *name, *other;
  } rows[] = {{files.ca, "ca.pem", "ca.crt"}, {files.certificate, "cert.pem", "tls.crt"}, {files.key, "key.pem", "tls.key"}};
  for (const auto& row : rows) {
    for (const char* name : {row.name, row.other}) {
      if (row.into.empty() && os::Exists(StrCat(directory, "/", name))) row.into = StrCat(directory, "/", name);
    }
    if (row.into.empty()) return NotFound("directory did not contain one of the needed files: ", row.name, " or ", row.other);
  }
  return files;
}

absl::StatusOr<Tls> ReadTls(const flags::Values& values) {
  Tls tls{{values.String("tlscacert"), values.String("tlscert"), values.String("tlskey")}, values.String("tlsservername")};
  std::string directory = values.String("tlsdir");
  if (directory.empty()) return tls;
  if (tls.files.any()) return InvalidArgument("cannot specify tlsdir and tlscacert/tlscert/tlskey at the same time");
  BK_ASSIGN(tls.files, FilesOf(directory));
  return tls;
}

// A helper whose other side is not there yet ends; with --wait it is started again.
absl::StatusOr<std::unique_ptr<Connection>> OpenAndWait(const CancelToken& cancel, const Address& address, const Tls& tls, std::chrono::milliseconds timeout) {
  constexpr std::chrono::milliseconds kPause(1000);
  auto end = std::chrono::steady_clock::now() + timeout;
  while (true) {
    BK_TRY(auto connection, Connection::Open(address, tls));
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    absl::Status status = connection->WaitUntilReady(cancel, left);
    if (status.ok()) return connection;
    if (!absl::IsUnavailable(status)) return status;
    BK_RETURN_IF_ERROR(cancel.SleepFor(std::min(left, kPause)));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connect(const CancelToken& cancel, const flags::Values& values) {
  BK_TRY(Tls tls, ReadTls(values));
  int64_t timeout_s = values.Int("timeout");
  auto timeout = timeout_s > 0 ? std::chrono::milliseconds(timeout_s * 1000) : std::chrono::milliseconds(std::chrono::hours(24 * 365));
  if (values.Bool("daemonless")) {
    if (values.IsSet("addr")) return InvalidArgument("--daemonless and --addr exclude each other");
    BK_TRY(std::shared_ptr<PrivateDaemon> daemon, PrivateDaemon::Join(cancel));
    BK_TRY(Address address, ParseAddress(daemon->address()));
    auto connection = std::make_unique<Connection>(std::move(address), std::move(daemon));
    if (values.Bool("wait")) BK_RETURN_IF_ERROR(connection->WaitUntilReady(cancel, timeout));
    return connection;
  }
  BK_TRY(Address address, ParseAddress(values.String("addr")));
  if (!values.Bool("wait")) return Connection::Open(std::move(address), tls);
  return OpenAndWait(cancel, address, tls, timeout);
}

}  // namespace bk::client
