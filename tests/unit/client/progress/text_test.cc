#include <doctest/doctest.h>

#include <map>

#include "client/progress/log_window.h"
#include "client/progress/settings.h"
#include "client/progress/text.h"

using namespace bk::client;

namespace {

Environment Of(std::map<std::string, std::string> variables) {
  return [variables](const char* name) {
    auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  };
}

}  // namespace

TEST_CASE("names on the tty display lose what steers; lines and tabs stay") {
  CHECK(Harmless("RUN \x1b[31mred\x1b[0m") == "RUN red");
  CHECK(Harmless("a\rb") == "a b");
  CHECK(Harmless("a\tb\nc") == "a\tb\nc");
  CHECK(Harmless("\x1b]0;title\x07name") == "name");
}

TEST_CASE("a line has its ends at both edges, at least a space apart") {
  CHECK(Align("left", "right", 12) == "left   right");
  CHECK(Align("much too long", "right", 12) == "much too long right");
  CHECK(Align("\xc3\xa4", "r", 4) == "\xc3\xa4  r");
}

TEST_CASE("a log window shows what programs draw with cursor movements, and passes none on") {
  LogWindow window(3, 20);
  window.Write("10%\r50%\r100%\nnext \x1b[31mred\x1b[0m\n\x1b[1A\x1b[2Kover");
  std::vector<std::string> lines = window.Lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "100%                ");
  CHECK(lines[1] == "over                ");
}

TEST_CASE("a log window scrolls, and bears any size and movement") {
  LogWindow window(2, 8);
  window.Write("1\n2\n3\n4");
  CHECK(window.Lines() == std::vector<std::string>{"3       ", "4       "});
  window.Write("\x1b[999999999999999999A\x1b[-5B\x1b[0;0H\x1b[99;99Hx\x1b[3J\x1b[2J");
  window.Resize(0, 0);
  window.Write("wide \xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5");
  CHECK(window.height() == 1);
}

TEST_CASE("NO_COLOR takes all colours away, BUILDKIT_COLORS sets single ones") {
  Settings none = ReadSettings(Of({{"NO_COLOR", "1"}, {"BUILDKIT_COLORS", "run=green"}}));
  CHECK((none.run + none.cancel + none.error + none.warning).empty());
  Settings empty = ReadSettings(Of({{"NO_COLOR", ""}}));
  CHECK(empty.run == "\x1b[34m");
  Settings some = ReadSettings(Of({{"BUILDKIT_COLORS", "run=green:error=255,0,0"}}));
  CHECK(some.run == "\x1b[32m");
  CHECK(some.error == "\x1b[38;5;196m");
  CHECK(some.cancel == "\x1b[33m");
}

TEST_CASE("settings that make no sense are complained about and passed over") {
  Settings settings = ReadSettings(Of({{"BUILDKIT_COLORS", "run=purple:walk=green"}, {"TTY_DISPLAY_RATE", "fast"}, {"BUILDKIT_TTY_LOG_LINES", "-3"}}));
  CHECK(settings.complaints.size() == 2);
  CHECK(settings.run == "\x1b[34m");
  CHECK(settings.tick_ms == 150);
  CHECK(settings.log_lines == 6);
}
