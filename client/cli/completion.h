// Shell completion: `buildctl completion bash` prints what a shell loads; it asks `buildctl WORDS… --generate-shell-completion`
// for what may stand in place of the last word.
#pragma once

#include <string>
#include <vector>

#include "base/flags.h"

namespace bk::client {

inline constexpr char kCompletionFlag[] = "--generate-shell-completion";

struct Completion {
  struct Candidate {
    std::string text, description;
  };
  std::vector<Candidate> candidates;  // the whole words that may stand there
  enum class Paths { kNone, kFiles, kDirectories } paths = Paths::kNone;
  std::string path_start;  // what of the word comes before the path ("context=")
};

// `words`: all but the program's name, the last one as far as it was typed (perhaps ""). Pure.
Completion Complete(const flags::Command& root, const std::vector<std::string>& words);
// What the scripts read: a line each, "text<TAB>description", then ":files START" or ":directories START" where paths may stand.
std::string CompletionText(const Completion& completion);
// InvalidArgument with the reference's text for a shell that is not known.
absl::StatusOr<std::string> CompletionScript(const std::vector<std::string>& args);

}  // namespace bk::client
