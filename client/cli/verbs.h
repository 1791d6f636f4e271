// The verbs of buildctl, one file each. Every Make… gives the command with its flags and what it does.
#pragma once

#include "base/cancel.h"
#include "base/flags.h"

namespace bk::client {

flags::Command MakeBuild(const CancelToken& cancel);
flags::Command MakeAttach(const CancelToken& cancel);
flags::Command MakeExplain(const CancelToken& cancel);
flags::Command MakeDiskUsage(const CancelToken& cancel);
flags::Command MakePrune(const CancelToken& cancel);
flags::Command MakeWorkers(const CancelToken& cancel);
flags::Command MakeInfo(const CancelToken& cancel);
flags::Command MakeDialStdio(const CancelToken& cancel);
flags::Command MakeDumpLlb();
flags::Command MakeDumpMetadata();
flags::Command MakeHistories(const CancelToken& cancel);
flags::Command MakePruneHistories(const CancelToken& cancel);
flags::Command MakeMonitor(const CancelToken& cancel);
flags::Command MakeHistoryControl(const CancelToken& cancel);
flags::Command MakeLogs(const CancelToken& cancel);
flags::Command MakeGet(const CancelToken& cancel);
flags::Command MakeCompletion();
flags::Command MakeDaemonKeeper(const CancelToken& cancel);  // hidden; see daemonless.h

// The table: global flags and all verbs; docs/buildctl.md has the same order.
flags::Command MakeRoot(const CancelToken& cancel);

}  // namespace bk::client
