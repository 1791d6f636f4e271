#include "client/progress/terminal.h"

#include <unistd.h>

namespace bk::client {
namespace {

constexpr char kReset[] = "\x1b[0m";

bool IsColour(Rune command, const std::string& arguments) { return command == 'm' && arguments.find_first_not_of("0123456789;:") == std::string::npos; }

}  // namespace

std::string TerminalText::Pass(std::string_view bytes) {
  std::string joined = unread_ + std::string(bytes), out;
  unread_.clear();
  for (size_t at = 0; at < joined.size();) {
    std::string_view rest = std::string_view(joined).substr(at);
    DecodedRune next = DecodeRune(rest);
    if (next.rune == kRuneError && next.width == 1 && IsUnfinishedRune(rest)) {
      unread_ = rest;
      break;
    }
    at += next.width;
    EscapeFilter::Kind kind = filter_.Next(next.rune);
    if (kind == EscapeFilter::Kind::kCommand && IsColour(next.rune, filter_.arguments())) {
      out += "\x1b[" + filter_.arguments() + "m";
      coloured_ = true;
    }
    if (kind != EscapeFilter::Kind::kText) continue;
    if (next.rune == '\n' && coloured_) {
      out += kReset;
      coloured_ = false;
    }
    if (next.rune == '\n' || next.rune == '\t' || next.rune == '\r' || !IsControl(next.rune)) AppendRune(out, next.rune);
  }
  return out;
}

void Print(std::FILE* out, std::string_view text) {
  bool terminal = isatty(fileno(out)) != 0;
  std::string harmless;
  if (terminal) text = harmless = TerminalText().Pass(text);
  std::fwrite(text.data(), 1, text.size(), out);
  std::fflush(out);
}

}  // namespace bk::client
