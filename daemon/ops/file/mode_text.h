// chmod's symbolic modes ("u=rwX,go-w", "+x", "0644") as a list of changes, with the rules of BSD's setmode.
//
// The umask counts as 0. Thread-safe (values).
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"

namespace bk::ops::file {

class ModeText {
 public:
  static absl::StatusOr<ModeText> Parse(std::string_view text);
  // `mode`: the low twelve bits, before and after.
  unsigned Apply(unsigned mode, bool is_directory) const;

 private:
  struct Change {
    char op = '=';         // '+', '-', '='
    unsigned who = 07777;  // bits that may change
    unsigned bits = 0;
    bool execute_if_any = false;  // X
    char copy_from = 0;           // 'u', 'g', 'o'
  };
  static absl::StatusOr<unsigned> ParseWho(std::string_view& text);
  static absl::StatusOr<Change> ParseChange(std::string_view& text, unsigned who);
  std::vector<Change> changes_;
};

}  // namespace bk::ops::file
