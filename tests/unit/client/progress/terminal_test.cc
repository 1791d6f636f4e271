#include <doctest/doctest.h>

#include "client/progress/terminal.h"

using namespace bk::client;

TEST_CASE("text for a terminal keeps colours, which end with their line") {
  TerminalText text;
  CHECK(text.Pass("\x1b[31mred\n") == "\x1b[31mred\x1b[0m\n");
  CHECK(text.Pass("plain\n") == "plain\n");
  CHECK(text.Pass("\x1b[38;5;208mx\x1b[0m\n") == "\x1b[38;5;208mx\x1b[0m\x1b[0m\n");
}

TEST_CASE("what moves the cursor, erases, renames the window or asks the terminal is taken out") {
  for (std::string sequence : {"\x1b[2A", "\x1b[2K", "\x1b[2J", "\x1b[10;10H", "\x1b[?1049h", "\x1b]0;title\a", "\x1b]8;;http://x\x1b\\", "\x1bPq\x1b\\", "\x1b[6n", "\x1b" "c", "\x1b(0", "\x9b" "2J", "\b", "\x7f",
                               "\xc2\x9b" "2J", "\xe2\x80\xae", "\x0e"}) {
    std::string passed = TerminalText().Pass("a" + sequence + "b");
    CHECK_MESSAGE(passed.find_first_of("\x1b\b\x7f\x0e\x9b\a") == std::string::npos, sequence);
    CHECK(passed.front() == 'a');
    CHECK(passed.find("\xe2\x80\xae") == std::string::npos);
  }
}

TEST_CASE("a sequence or a rune that comes in pieces is one") {
  TerminalText text;
  std::string out;
  for (char c : std::string("x\x1b[2Jy\xe6\x97\xa5z\x1b]0;t\x1b\\.")) out += text.Pass(std::string_view(&c, 1));
  CHECK(out == "xy\xe6\x97\xa5z.");
}

TEST_CASE("a sequence that is not ended hides one line at most") {
  TerminalText text;
  CHECK(text.Pass("a\x1b]0;never ended\nnext\n") == "a\nnext\n");
}

TEST_CASE("tabs, carriage returns and newlines pass; bytes that are no UTF-8 are replaced") {
  CHECK(TerminalText().Pass("a\tb\rc\n\xff.") == "a\tb\rc\n\xef\xbf\xbd.");
}
