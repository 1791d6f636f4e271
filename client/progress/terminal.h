// Text with parts of strangers on its way out: as it is to a file or a pipe, harmless on a terminal.
//
// Logs of steps, Dockerfiles and names of cache records are printed beside our own words. Escape sequences in them could move
// the cursor over what was printed, rename the window or talk back; only colours pass, and they end with the line.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "client/progress/text.h"

namespace bk::client {

// A stream in pieces; keeps its place, also inside of a rune. Tabs, newlines and carriage returns pass. Not thread-safe.
class TerminalText {
 public:
  std::string Pass(std::string_view bytes);

 private:
  EscapeFilter filter_;
  std::string unread_;  // the start of a UTF-8 sequence
  bool coloured_ = false;
};

// Writes and flushes.
void Print(std::FILE* out, std::string_view text);

}  // namespace bk::client
