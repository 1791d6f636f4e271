// Parser directives: `# syntax=…`, `# escape=…`, `# check=…` at the very top of a file.
//
// They end at the first line that is none; each may stand once. Rules: Dockerfile reference, "Parser directives".
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/status.h"
#include "daemon/frontend/dockerfile/parse/location.h"

namespace bk::dockerfile {

struct Directive {
  std::string name, value;
  Ranges location;
};

// Fed line by line from the top of the file.
class DirectiveReader {
 public:
  explicit DirectiveReader(int lines_before = 0, std::string_view comment = "#") : line_(lines_before), comment_(comment) {}
  // Nothing if the line is no directive, or stands behind their end. InvalidArgument if it was given before.
  absl::StatusOr<std::optional<Directive>> ReadLine(std::string_view line);
  bool done() const { return done_; }

 private:
  int line_;
  std::string_view comment_;
  std::set<std::string> seen_;
  bool done_ = false;
};

struct FoundDirective {
  std::string value;    // up to the first blank
  std::string cmdline;  // all of it
  Ranges location;
};
// A directive of a whole file, a shebang line passed over.
std::optional<FoundDirective> FindDirective(std::string_view name, std::string_view text);
// `syntax` as `#`, `//` or JSON: other languages than this one may name their frontend so.
std::optional<FoundDirective> DetectSyntax(std::string_view text);

std::string_view WithoutByteOrderMark(std::string_view text);

}  // namespace bk::dockerfile
