// What the daemon tells as values of templates, with the names of Go's client package. Pure.
#pragma once

#include "base/go_template/value.h"
#include "control/control.pb.h"
#include "explain/explain.pb.h"

namespace bk::client {

go_template::Value UsageValue(const moby::buildkit::v1::UsageRecord& record);  // *client.UsageInfo
go_template::Value WorkerValue(const moby::buildkit::v1::types::WorkerRecord& worker);
go_template::Value InfoValue(const moby::buildkit::v1::InfoResponse& info);
go_template::Value ExplanationValue(const explain::v1::ExplainResponse& response);

}  // namespace bk::client
