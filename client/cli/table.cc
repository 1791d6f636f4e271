#include "client/cli/verbs.h"
#include "client/conn/address.h"

namespace bk::client {
namespace {

using flags::Command;
using flags::Kind;

Command MakeDebug(const CancelToken& cancel) {
  Command debug{"debug", {}, "debug utilities", "", {}, {MakeDumpLlb(), MakeDumpMetadata(), MakeWorkers(cancel), MakeInfo(cancel)}, nullptr, false};
  debug.commands.push_back(MakeMonitor(cancel));
  debug.commands.push_back(MakeLogs(cancel));
  debug.commands.push_back(MakeHistoryControl(cancel));
  debug.commands.push_back(MakeGet(cancel));
  debug.commands.push_back(MakeHistories(cancel));
  return debug;
}

}  // namespace

Command MakeRoot(const CancelToken& cancel) {
  Command root{"buildctl", {}, "build utility", "", {}, {}, nullptr, false};
  root.flags = {
      {"debug", Kind::kBool, "enable debug output in logs"},
      {"addr", Kind::kString, "buildkitd address", {}, DefaultAddress()},
      {"daemonless", Kind::kBool, "start a private daemon for this call (flags for it: BUILDKITD_FLAGS)"},
      {"log-format", Kind::kString, "log formatter: json or text", {}, "text"},
      {"tlsservername", Kind::kString, "buildkitd server name for certificate validation"},
      {"tlscacert", Kind::kString, "CA certificate for validation"},
      {"tlscert", Kind::kString, "client certificate"},
      {"tlskey", Kind::kString, "client key"},
      {"tlsdir", Kind::kString, "directory containing CA certificate, client certificate, and client key. Supported file names are (ca.pem, cert.pem, key.pem) or (ca.crt, tls.crt, tls.key)"},
      {"timeout", Kind::kInt, "timeout backend connection after value seconds", {}, "5"},
      {"wait", Kind::kBool, "block RPCs until the connection becomes available"},
  };
  root.commands = {MakeDiskUsage(cancel), MakePrune(cancel), MakePruneHistories(cancel), MakeBuild(cancel),
                   MakeDebug(cancel),     MakeAttach(cancel),    MakeExplain(cancel),   MakeDialStdio(cancel), MakeDaemonKeeper(cancel), MakeCompletion()};
  return root;
}

}  // namespace bk::client
