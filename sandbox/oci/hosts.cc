#include "sandbox/oci/hosts.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/id.h"
#include "base/os/file.h"
#include "sandbox/oci/ip_address.h"

namespace bk::oci {
namespace {

// As Go's net.IP: no zones, and a mapped IPv4 address is that address.
absl::StatusOr<std::string> PlainIp(const std::string& text) {
  auto address = ParseIp(text);
  if (!address.ok() || !address->zone.empty()) return Unknown("failed to parse IP ", text);
  if (address->mapped_v4()) {
    IpAddress inner;
    inner.v4 = true;
    std::copy(address->bytes.begin() + 12, address->bytes.end(), inner.bytes.begin());
    return inner.str();
  }
  return address->str();
}

}  // namespace

absl::StatusOr<std::string> HostsText(const std::string& hostname, const std::vector<exec::HostIp>& extra_hosts) {
  std::string text = StrCat("127.0.0.1\tlocalhost ", hostname.empty() ? kDefaultHostname : hostname, "\n::1\tlocalhost ip6-localhost ip6-loopback\n");
  for (const exec::HostIp& extra : extra_hosts) {
    BK_TRY(std::string ip, PlainIp(extra.ip));
    text += StrCat(ip, "\t", extra.host, "\n");
  }
  return text;
}

StepFile::~StepFile() {
  if (remove_ && !path_.empty()) unlink(path_.c_str());
}

absl::Status WriteStepFile(const std::string& path, std::string_view text) {
  BK_RETURN_IF_ERROR(os::WriteFileAtomic(path, text, 0644, false));
  if (chmod(path.c_str(), 0644) < 0) return ErrnoError(errno, StrCat("chmod ", path));
  return absl::OkStatus();
}

absl::StatusOr<StepFile> MakeHostsFile(const std::string& dir, const std::string& hostname, const std::vector<exec::HostIp>& extra_hosts) {
  BK_TRY(std::string text, HostsText(hostname, extra_hosts));
  bool shared = hostname == kDefaultHostname && extra_hosts.empty();
  std::string path = StrCat(dir, "/hosts", shared ? "" : "." + NewId());
  // The shared text never changes, so writing it again over a running step's mount does no harm: the old file stays bound.
  BK_RETURN_IF_ERROR(WriteStepFile(path, text));
  return StepFile(std::move(path), !shared);
}

}  // namespace bk::oci
