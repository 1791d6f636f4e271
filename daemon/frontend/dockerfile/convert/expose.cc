// EXPOSE: ports as "[ip:][host:]port[-end][/proto]"; only the container's side counts.
#include <arpa/inet.h>

#include "base/go_parse.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/conversion.h"

namespace bk::dockerfile {
namespace {

struct PortRange {
  int64_t first = 0, last = 0;
};

std::optional<int64_t> Port(const std::string& text) {
  auto port = ParseInt(text);
  if (!port.ok() || *port < 0 || *port > 65535) return std::nullopt;
  return *port;
}

std::optional<PortRange> ParseRange(const std::string& text) {
  size_t dash = text.find('-');
  std::string end = dash == std::string::npos ? text : text.substr(dash + 1);
  auto first = Port(text.substr(0, dash)), last = Port(end);
  if (!first || !last || *last < *first) return std::nullopt;
  return PortRange{*first, *last};
}

bool IsIp(std::string text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 || inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

absl::StatusOr<std::vector<std::string>> ParsePort(const std::string& raw, const Linter& lint, const Ranges& location) {
  std::string container = raw, host, ip;
  if (size_t colon = raw.rfind(':'); colon != std::string::npos) {
    container = raw.substr(colon + 1);
    host = raw.substr(0, colon);
    if (size_t before = host.rfind(':'); before != std::string::npos) {
      ip = host.substr(0, before);
      host.erase(0, before + 1);
    }
  }
  size_t slash = container.find('/');
  std::string proto = slash == std::string::npos ? "" : container.substr(slash + 1);
  container.resize(std::min(slash, container.size()));
  if (container.empty()) return InvalidArgument("invalid port: ", Quote(raw), ": no port specified");
  std::string lower = proto.empty() ? "tcp" : ToLower(proto);
  if (lower != "tcp" && lower != "udp" && lower != "sctp") {
    return InvalidArgument("invalid port: ", Quote(raw), ": invalid proto: ", proto);
  }
  if (!proto.empty() && proto != lower) lint.Report(LintRule::kExposeProtoCasing, location, {raw});
  if (!ip.empty() || !host.empty()) lint.Report(LintRule::kExposeInvalidFormat, location, {raw});
  if (!ip.empty() && !IsIp(ip)) return InvalidArgument("invalid IP address: ", ip);
  auto range = ParseRange(container);
  if (!range) return InvalidArgument("invalid containerPort: ", container);
  if (!host.empty()) {
    auto host_range = ParseRange(host);
    if (!host_range) return InvalidArgument("invalid hostPort: ", host);
    bool fits = range->last - range->first == host_range->last - host_range->first;
    if (!fits && range->first != range->last) {
      return InvalidArgument("invalid ranges specified for container and host Ports: ", container, " and ", host);
    }
  }
  std::vector<std::string> ports;
  for (int64_t port = range->first; port <= range->last; port++) ports.push_back(StrCat(port, "/", lower));
  return ports;
}

}  // namespace

absl::Status DispatchExpose(Conversion& conversion, StageState& stage, const Command& command) {
  std::string message = "EXPOSE [";
  for (const std::string& word : command.instruction.As<ExposeInstruction>()->ports) {
    Expansion expansion;
    BK_RETURN_IF_ERROR(conversion.lex.Process(word, EnvVariables(stage.state->env()), expansion));
    for (const std::string& spec : expansion.words) {
      BK_TRY(auto ports, ParsePort(spec, stage.lint, command.instruction.location));
      for (std::string& port : ports) {
        message += (message.ends_with('[') ? "" : " ") + port;
        stage.image.exposed_ports.insert(std::move(port));
      }
    }
  }
  AddHistory(conversion, stage, message + "]", Layer::kNone);
  return absl::OkStatus();
}

}  // namespace bk::dockerfile
