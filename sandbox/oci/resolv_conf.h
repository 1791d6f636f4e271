// /etc/resolv.conf of steps, made from the host's and kept until the host's file changes (golden exec/resolvconf).
//
// Steps on the host's network get resolv-host.conf, all others resolv.conf, where servers on the loopback are left out
// (they answer only on the host) and public ones stand in when none is left. A lone 127.0.0.53 means systemd-resolved:
// its own list is read instead. Thread-safe.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "sandbox/oci/ip_address.h"
#include "sandbox/oci/process.h"

namespace bk::oci {

// `[dns]` of the daemon's configuration; an empty list changes nothing.
struct DnsConfig {
  std::vector<std::string> nameservers, options, search_domains;
};

// A resolv.conf(5) as a value.
struct ResolvConf {
  std::vector<IpAddress> nameservers;
  std::vector<std::string> search, options;
  std::vector<std::string> other;  // unknown lines, as written

  static absl::StatusOr<ResolvConf> Parse(std::string_view text);
  std::string str() const;
};

// What a step is to see: `host` with `dns` over it. InvalidArgument for a configured server that is no address.
absl::StatusOr<ResolvConf> StepResolvConf(ResolvConf host, const DnsConfig& dns, exec::NetworkMode network);

class ResolvConfFiles {
 public:
  struct Paths {
    std::string host = "/etc/resolv.conf";
    std::string systemd = "/run/systemd/resolve/resolv.conf";
  };
  // Files below `dir`; resolv.conf of an earlier daemon is removed.
  ResolvConfFiles(std::string dir, Paths paths);
  explicit ResolvConfFiles(std::string dir) : ResolvConfFiles(std::move(dir), Paths()) {}

  // Path of the file for a step: written on the first call, and again whenever the host's file is newer.
  absl::StatusOr<std::string> Get(const DnsConfig& dns, exec::NetworkMode network);

 private:
  std::string SourcePath(exec::NetworkMode network) const;

  const std::string dir_;
  const Paths paths_;
  std::atomic<bool> used_{false};
};

}  // namespace bk::oci
