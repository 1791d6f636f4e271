// Events of the build history as the verbs print them. Pure.
#pragma once

#include <string>

#include "base/tab_writer.h"
#include "control/control.pb.h"

namespace bk::client {

// Rows go out one by one, each with columns of its own: flush the table after each. `pinned`: with that column.
void WriteHistoryHeader(TabWriter& table, bool pinned);
void WriteHistoryRow(TabWriter& table, const moby::buildkit::v1::BuildHistoryEvent& event, bool pinned);
// The lines of `debug monitor`.
std::string HistoryLines(const moby::buildkit::v1::BuildHistoryEvent& event);

}  // namespace bk::client
