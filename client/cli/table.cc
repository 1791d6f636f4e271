#include "client/cli/verbs.h"
#include "client/conn/address.h"

namespace bk::client {
namespace {

using flags::Command;
using flags::Flag;
using flags::Kind;

// Verbs of the reference that are still to come.
Command NotBuilt(const std::string& path, const std::string& name, const std::string& usage) {
  Command command{name, {}, usage, "", {}, {}, nullptr, true};
  command.action = [path](const flags::Values&) { return Unimplemented("buildctl ", path, " is not built yet"); };
  return command;
}

Command MakeDebug(const CancelToken& cancel) {
  Command debug{"debug", {}, "debug utilities", "", {}, {MakeWorkers(cancel), MakeInfo(cancel)}, nullptr, false};
  debug.commands.push_back(NotBuilt("debug dump-llb", "dump-llb", "dump LLB in human-readable format"));
  debug.commands.push_back(NotBuilt("debug dump-metadata", "dump-metadata", "dump the meta in human-readable format"));
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
      {"tlsservername", Kind::kString, "buildkitd server name for certificate validation", {}, "", true},
      {"tlscacert", Kind::kString, "CA certificate for validation", {}, "", true},
      {"tlscert", Kind::kString, "client certificate", {}, "", true},
      {"tlskey", Kind::kString, "client key", {}, "", true},
      {"tlsdir", Kind::kString, "directory containing CA certificate, client certificate, and client key", {}, "", true},
      {"timeout", Kind::kInt, "timeout backend connection after value seconds", {}, "5"},
      {"wait", Kind::kBool, "block RPCs until the connection becomes available"},
  };
  root.commands = {MakeDiskUsage(cancel), MakePrune(cancel), MakePruneHistories(cancel), MakeBuild(cancel),
                   MakeDebug(cancel),     MakeAttach(cancel),    MakeExplain(cancel),   MakeDialStdio(cancel), MakeDaemonKeeper(cancel)};
  return root;
}

}  // namespace bk::client
