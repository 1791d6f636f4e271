// Every flag and every key of the configuration file that the reference knows; those that are not built are refused by
// name. docs/buildkitd.md has the same order.
#pragma once

#include <span>
#include <string_view>

#include "base/flags.h"

namespace bk::config {

// What a row may be besides usual.
enum Trait : unsigned {
  kNotBuilt = 1,
  kHidden = 2,     // a flag that the help page leaves out
  kKeepsZero = 4,  // a key whose zero, false or empty table differs from one that is not there
};

struct FlagRow {
  const char* name;
  flags::Kind kind;
  // As text; "$root", "$address", "$config", "$cni", "$userns" and "$gc" stand for values of the machine.
  const char* value;
  const char* doc;
  unsigned traits = 0;
  const char* variable = nullptr;  // environment variable that gives the default
  bool built() const { return (traits & kNotBuilt) == 0; }
};
std::span<const FlagRow> FlagRows();

enum class KeyType { kBool, kInt, kString, kStrings, kStringMap, kDiskSpace, kDuration, kAny, kTable };

struct KeyRow {
  // Tables by dots, "*" for a table of any name, "[]" behind the name of a list of tables. "worker.oci.gcpolicy[].all"
  const char* path;
  KeyType type;
  const char* doc;
  unsigned traits = 0;
  bool built() const { return (traits & kNotBuilt) == 0; }
  bool keeps_zero() const { return (traits & kKeepsZero) != 0; }
};
std::span<const KeyRow> KeyRows();
const KeyRow* FindKey(std::string_view path);

}  // namespace bk::config
