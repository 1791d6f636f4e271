// What became of a vertex in a build, for those who explain it afterwards.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/solver/vertex.h"

namespace bk::solver {

struct StepNotes {
  struct Content {
    Digest digest;     // of what counts of the input
    ResultPtr result;  // of the input
  };
  bool ran = false, loaded = false;     // began to run; was found in the cache
  bool failed = false;                  // ran and did not end well (yet)
  int64_t started_ns = 0;               // of its run
  Digest key;                           // of the (last) cache map
  std::vector<std::string> pins;        // what a source resolved to
  std::map<size_t, Content> contents;   // by input, where one was needed
  std::vector<std::string> result_ids;  // of what it made, or of what was loaded
};

struct Step {
  VertexPtr vertex;
  StepNotes notes;
};

}  // namespace bk::solver
