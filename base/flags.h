// Command lines with the syntax, the error texts and the help pages of urfave/cli v3, which the reference's programs use.
//
// `-x`, `--x`, `--x=v`, `--x v`; booleans take a value only after `=`; flags may stand after arguments; a command knows
// the flags of the commands above it; `--` ends the flags. A program describes itself as a tree of Command values, gives it
// to Parse and runs the command it gets back. Not thread-safe (one command line a process).
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace bk::flags {

enum class Kind { kBool, kString, kStrings, kInt, kFloat, kDuration };

struct Flag {
  std::string name;
  Kind kind = Kind::kString;
  std::string usage;
  std::vector<std::string> aliases;
  std::string value;    // default, as text ("" = the kind's zero)
  bool hidden = false;  // accepted, not in the help page
  bool local = false;   // not known to the commands below
};

// What was given on the command line, with the defaults of what was not.
class Values {
 public:
  bool Bool(std::string_view name) const;
  std::string String(std::string_view name) const;
  std::vector<std::string> Strings(std::string_view name) const;
  int64_t Int(std::string_view name) const;
  double Float(std::string_view name) const;
  int64_t DurationNs(std::string_view name) const;
  bool IsSet(std::string_view name) const;
  const std::vector<std::string>& args() const { return args_; }

  // For the parser and for tests.
  // InvalidArgument with the reference's text if `text` is no value of the flag's kind.
  absl::Status Set(const Flag& flag, std::string_view as_written, const std::string& text);
  void SetArgs(std::vector<std::string> args) { args_ = std::move(args); }

 private:
  friend class Parser;
  struct Entry {
    Kind kind;
    std::vector<std::string> texts;  // all that were given, else the default
    bool set = false;
  };
  void Declare(const Flag& flag);
  const Entry* Find(std::string_view name) const;
  std::map<std::string, Entry, std::less<>> entries_;
  std::vector<std::string> args_;
};

struct Command {
  std::string name;
  std::vector<std::string> aliases;
  std::string usage;       // one line
  std::string usage_text;  // in place of the made-up USAGE line
  std::vector<Flag> flags;
  std::vector<Command> commands;
  std::function<absl::Status(const Values&)> action;  // none: the help page
  bool hidden = false;
};

// The outcome of reading a command line: a command to run, or text to print, or an error.
struct Parsed {
  const Command* command = nullptr;
  Values values;
  std::string out;          // help page or version
  absl::Status error;       // wrong usage; already reported as "Incorrect Usage: …"
  std::string complaint;    // for stderr
  int exit_code = 0;        // when there is nothing to run
};

// `version_line` is what --version prints, `version` what the help page says. Pure.
Parsed Parse(const Command& root, std::string_view version, std::string_view version_line, std::span<const std::string> args);

// The help page of the last command of `path` (root first).
std::string HelpPage(std::span<const Command* const> path, std::string_view version);

}  // namespace bk::flags
