#include "client/cli/history_print.h"
#include "client/cli/message_value.h"

#include <doctest/doctest.h>

using namespace bk::client;
namespace api = moby::buildkit::v1;

namespace {

api::BuildHistoryEvent Event() {
  api::BuildHistoryEvent event;
  event.set_type(api::COMPLETE);
  auto& record = *event.mutable_record();
  record.set_ref("r");
  record.mutable_createdat()->set_seconds(5);
  record.set_numcachedsteps(1);
  record.set_numtotalsteps(2);
  record.set_numwarnings(3);
  auto& result = *record.mutable_result();
  for (int64_t index : {10, 9}) (*result.mutable_results())[index].set_digest("sha256:" + std::to_string(index));
  result.add_attestations()->set_size(7);
  auto& arm = (*record.mutable_results())["linux/arm64"];
  arm.mutable_resultdeprecated()->set_media_type("type");
  (*arm.mutable_resultdeprecated()->mutable_annotations())["a\""] = "<b>";
  return event;
}

}  // namespace

TEST_CASE("an event in JSON has the fields and the order of the reference") {  // CTL-056
  CHECK(bk::go_template::JsonOf(MessageValue(Event())) ==
        R"({"type":1,"record":{"Ref":"r","CreatedAt":{"seconds":5},"Result":{"Attestations":[{"size":7}],"Results":{"10":{"digest":"sha256:10"},"9":{"digest":"sha256:9"}}},)"
        R"("Results":{"linux/arm64":{"ResultDeprecated":{"media_type":"type","annotations":{"a\"":"<b>"}}}},"numCachedSteps":1,"numTotalSteps":2,"numWarnings":3}})");
}

TEST_CASE("the lines of the monitor") {  // CTL-052
  CHECK(HistoryLines(Event()) ==
        "event: COMPLETE ref:r\n"
        "  cache: 1/2\n"
        "  warnings: 3\n"
        "  descriptor: digest:\"sha256:9\"\n"
        "  descriptor: digest:\"sha256:10\"\n"
        "  attestation: size:7\n"
        "  [linux/arm64] descriptor: media_type:\"type\" annotations:{key:\"a\\\"\" value:\"<b>\"}\n");
  api::BuildHistoryEvent odd;
  odd.set_type(static_cast<api::BuildHistoryEventType>(9));
  CHECK(HistoryLines(odd) == "event: 9 ref:\n");
}
