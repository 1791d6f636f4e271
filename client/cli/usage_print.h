// Cache records as `du` and `prune` print them. Pure.
#pragma once

#include <string>

#include "base/tab_writer.h"
#include "control/control.pb.h"

namespace bk::client {

void WriteUsageHeader(TabWriter& table);
void WriteUsageRow(TabWriter& table, const moby::buildkit::v1::UsageRecord& record);
void WriteUsageVerbose(TabWriter& table, const moby::buildkit::v1::UsageRecord& record);

}  // namespace bk::client
