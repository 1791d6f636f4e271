#include "daemon/ops/file_plan.h"

#include <doctest/doctest.h>

namespace bk::ops {
namespace {

void Add(pb::FileOp& op, int64_t input, int64_t secondary, int64_t output) {
  pb::FileAction& action = *op.add_actions();
  action.set_input(input);
  action.set_secondaryinput(secondary);
  action.set_output(output);
  action.mutable_rm()->set_path("/x");
}

std::string Steps(const absl::StatusOr<FilePlan>& plan) {
  if (!plan.ok()) return Message(plan.status());
  std::string out;
  for (const auto& step : plan->steps) out += StrCat(out.empty() ? "" : " ", step.action, step.commit ? "!" : "");
  return out;
}

TEST_CASE("a chain hands its tree on and commits the end only") {
  pb::FileOp op;
  Add(op, 0, -1, -1);
  Add(op, 1, -1, -1);
  Add(op, 2, -1, 0);
  auto plan = PlanActions(op, 1);
  CHECK(Steps(plan) == "0 1 2!");
  CHECK(plan->outputs == std::vector<int64_t>{3});
}

TEST_CASE("a tree that two actions want is committed, order follows need, unneeded actions do not run") {  // LLB-046
  pb::FileOp op;
  Add(op, 3, 4, 0);   // uses action 1 twice below
  Add(op, 4, -1, -1);  // index 3
  Add(op, -1, -1, -1);  // index 4
  Add(op, 0, -1, -1);  // nobody wants it
  CHECK(Steps(PlanActions(op, 2)) == "2! 1 0!");
}

TEST_CASE("several outputs come in the order of their numbers") {  // LLB-012
  pb::FileOp op;
  Add(op, -1, -1, 1);
  Add(op, 0, -1, 0);
  auto plan = PlanActions(op, 0);
  CHECK(Steps(plan) == "0! 1!");
  CHECK(plan->outputs == std::vector<int64_t>{1, 0});
}

TEST_CASE("wrong indexes are refused") {
  auto one = [](int64_t input, int64_t secondary, int64_t output) {
    pb::FileOp op;
    Add(op, input, secondary, output);
    return Steps(PlanActions(op, 1));
  };
  CHECK(one(2, -1, 0) == "invalid input index 2, 2 provided");
  CHECK(one(-2, -1, 0) == "invalid input index -2, 2 provided");
  CHECK(one(0, 9, 0) == "invalid secondary input index 9, 2 provided");
  CHECK(one(0, -1, -1) == "no outputs specified");
  CHECK(one(0, -1, 1) == "missing output index 0");
  CHECK(one(1, -1, 0) == "loop from index 1");
  pb::FileOp op;
  Add(op, 0, -1, 0);
  Add(op, 0, -1, 0);
  CHECK(Steps(PlanActions(op, 1)) == "duplicate output 0");
}

TEST_CASE("owners count as needs: loops and missing inputs through them are found") {
  pb::FileOp op;
  pb::FileAction& action = *op.add_actions();
  action.set_input(-1);
  action.set_secondaryinput(-1);
  auto* user = action.mutable_mkdir()->mutable_owner()->mutable_user()->mutable_byname();
  user->set_input(0);
  CHECK(Steps(PlanActions(op, 0)) == "loop from index 0");
  user->set_input(7);
  CHECK(Steps(PlanActions(op, 0)) == "invalid user index: 7");
}

TEST_CASE("a chain of a hundred thousand actions is planned without recursion") {
  pb::FileOp op;
  for (int i = 0; i < 100'000; i++) Add(op, i, -1, i == 99'999 ? 0 : -1);
  CHECK(PlanActions(op, 1)->steps.size() == 100'000);
}

}  // namespace
}  // namespace bk::ops
