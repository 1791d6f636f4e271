// A Dockerfile's text as a list of nodes: one instruction with its flags, arguments, heredocs and comments.
//
// Nothing is interpreted here beyond what cutting the text into words needs; unknown instructions are nodes too. The line
// rules (continuation, comments, 65535 bytes a line) are the reference's. Linear in the text. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/parse/location.h"

namespace bk::dockerfile {

struct Heredoc {
  std::string name;
  uint64_t file_descriptor = 0;
  bool expand = false;  // its word had no quotes
  bool chomp = false;   // <<-
  std::string content;
};

struct Node {
  std::string keyword;  // as written
  std::string original; // the joined line
  std::vector<std::string> flags;
  std::vector<std::string> args;  // ENV and LABEL: name, value, separator ("=" or "") a pair
  bool is_json = false;           // args came from a JSON array
  std::vector<Heredoc> heredocs;
  std::vector<std::string> comments;  // right before it, without '#'
  int start_line = 0, end_line = 0;
  std::unique_ptr<Node> trigger;  // ONBUILD's instruction; `args` has its keyword and arguments

  Ranges location() const { return LineRanges(start_line, end_line); }
};

struct ParseWarning {
  std::string short_text, detail, url;
  Range location;
};

struct Dockerfile {
  std::vector<Node> nodes;
  int start_line = 0, end_line = 0;  // of the first and last instruction
  Rune escape = '\\';
  std::vector<ParseWarning> warnings;
};

// InvalidArgument with a location for text that cannot be cut into instructions.
absl::StatusOr<Dockerfile> ParseDockerfile(std::string_view text);

// `<<NAME` as one word; nothing if it is none.
absl::StatusOr<std::optional<Heredoc>> ParseHeredocWord(std::string_view word);
// Without the tabs that begin each line.
std::string ChompHeredoc(std::string_view content);

}  // namespace bk::dockerfile
