// What a target can be given: build arguments, secrets, agents. Gathered while stages are worked on.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "daemon/frontend/dockerfile/instruct/instruction.h"

namespace bk::dockerfile {

struct StageState;

struct Outline {
  struct Argument {
    std::string name, description, value;
    Ranges location;
  };
  struct Mount {
    std::string name;
    bool required = false;
    Ranges location;
  };
  std::string name, description;  // of the target
  std::vector<Argument> args;     // all in the order of the file
  std::vector<Mount> secrets, ssh;
};

// An ARG, its value worked out.
struct ArgumentInfo {
  BuildArgument definition;
  std::string value;
  Ranges location;
  std::set<std::string> uses;  // arguments its default is made of
};
using ArgumentInfos = std::map<std::string, ArgumentInfo>;

// One stage's part.
struct StageOutline {
  ArgumentInfos args;                       // defined by the stage; others are the file's own
  std::set<std::string> used_in_from, used;
  std::map<std::string, Outline::Mount> secrets, ssh;  // by id; the first use counts
};

// Of `target` and all that it needs. Cancelled when asked to stop.
absl::StatusOr<Outline> DescribeStage(const CancelToken& cancel, const StageState& target, const ArgumentInfos& globals);

}  // namespace bk::dockerfile
