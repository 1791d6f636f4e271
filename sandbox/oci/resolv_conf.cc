#include "sandbox/oci/resolv_conf.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/os/file.h"
#include "base/unicode.h"
#include "sandbox/oci/hosts.h"

namespace bk::oci {
namespace {

constexpr uint64_t kFileLimit = 1 << 20;
constexpr size_t kLineLimit = 64 << 10;  // Go's bufio.Scanner
constexpr const char* kPublicServers[] = {"8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"};

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  auto end = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  while (!line.empty()) {
    DecodedRune rune = DecodeRune(line);
    if (IsSpace(rune.rune)) {
      end();
    } else {
      word += line.substr(0, rune.width);
    }
    line.remove_prefix(rune.width);
  }
  end();
  return words;
}

void ReadLine(std::string_view line, ResolvConf& conf) {
  if (line.empty() || line[0] == '#' || line[0] == ';') return;
  std::vector<std::string> words = Words(line);
  if (words.empty()) return;
  bool has_value = words.size() > 1;
  if (words[0] == "nameserver") {
    if (!has_value) return;
    if (auto address = ParseIp(words[1]); address.ok()) conf.nameservers.push_back(*std::move(address));
  } else if (words[0] == "search" || words[0] == "domain") {
    if (has_value) conf.search.assign(words.begin() + 1, words.end());
  } else if (words[0] == "options") {
    conf.options.insert(conf.options.end(), words.begin() + 1, words.end());
  } else {
    conf.other.emplace_back(line);
  }
}

std::string Line(const char* name, const std::vector<std::string>& values) {
  if (values.empty()) return "";
  std::string line = name;
  for (const std::string& value : values) line += " " + value;
  return line + "\n";
}

// The file's text; empty when it is not there.
absl::StatusOr<std::string> ReadHostFile(const std::string& path) {
  auto text = os::ReadFile(path, kFileLimit);
  if (absl::IsNotFound(text.status())) return std::string();
  return text;
}

bool Before(const timespec& a, const timespec& b) { return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec; }

// Whether `path` can be used as it is: it is there, and not older than its source.
absl::StatusOr<bool> IsFresh(const std::string& path, const std::string& source) {
  struct stat made, host;
  if (stat(path.c_str(), &made) < 0) {
    if (errno == ENOENT) return false;
    return ErrnoError(errno, StrCat("stat ", path));
  }
  if (stat(source.c_str(), &host) < 0) {
    if (errno == ENOENT) return true;
    return ErrnoError(errno, StrCat("stat ", source));
  }
  return !Before(made.st_mtim, host.st_mtim);
}

}  // namespace

absl::StatusOr<ResolvConf> ResolvConf::Parse(std::string_view text) {
  ResolvConf conf;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    if (end >= kLineLimit) return Internal("bufio.Scanner: token too long");
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    ReadLine(line, conf);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return conf;
}

std::string ResolvConf::str() const {
  std::string text;
  for (const IpAddress& server : nameservers) text += StrCat("nameserver ", server.str(), "\n");
  text += Line("search", search);
  text += Line("options", options);
  for (const std::string& line : other) text += line + "\n";
  return text;
}

absl::StatusOr<ResolvConf> StepResolvConf(ResolvConf host, const DnsConfig& dns, exec::NetworkMode network) {
  ResolvConf conf = std::move(host);
  if (!dns.nameservers.empty()) {
    conf.nameservers.clear();
    for (const std::string& text : dns.nameservers) {
      auto address = ParseIp(text);
      if (!address.ok()) return Annotate(address.status(), "bad nameserver address");
      conf.nameservers.push_back(*std::move(address));
    }
  }
  if (!dns.search_domains.empty()) {
    conf.search = dns.search_domains;
    std::erase(conf.search, ".");
  }
  if (!dns.options.empty()) conf.options = dns.options;
  bool host_network = network == exec::NetworkMode::kHost;
  if (!dns.nameservers.empty() || (host_network && !conf.nameservers.empty())) return conf;
  std::erase_if(conf.nameservers, [](const IpAddress& server) { return server.loopback(); });
  if (conf.nameservers.empty()) {
    for (const char* server : kPublicServers) conf.nameservers.push_back(*ParseIp(server));
  }
  return conf;
}

ResolvConfFiles::ResolvConfFiles(std::string dir, Paths paths) : dir_(std::move(dir)), paths_(std::move(paths)) { unlink(StrCat(dir_, "/resolv.conf").c_str()); }

std::string ResolvConfFiles::SourcePath(exec::NetworkMode network) const {
  if (network == exec::NetworkMode::kHost) return paths_.host;
  auto text = ReadHostFile(paths_.host);
  if (!text.ok()) return paths_.host;
  auto conf = ResolvConf::Parse(*text);
  bool stub = conf.ok() && conf->nameservers.size() == 1 && conf->nameservers[0] == *ParseIp("127.0.0.53");
  return stub ? paths_.systemd : paths_.host;
}

absl::StatusOr<std::string> ResolvConfFiles::Get(const DnsConfig& dns, exec::NetworkMode network) {
  std::string path = StrCat(dir_, network == exec::NetworkMode::kHost ? "/resolv-host.conf" : "/resolv.conf");
  std::string source = SourcePath(network);
  if (used_.exchange(true)) {
    BK_TRY(bool fresh, IsFresh(path, source));
    if (fresh) return path;
  }
  BK_TRY(std::string text, ReadHostFile(source));
  BK_TRY(ResolvConf host, ResolvConf::Parse(text));
  BK_TRY(ResolvConf conf, StepResolvConf(std::move(host), dns, network));
  BK_RETURN_IF_ERROR(WriteStepFile(path, conf.str()));
  return path;
}

}  // namespace bk::oci
