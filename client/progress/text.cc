#include "client/progress/text.h"

#include <utf8proc.h>

#include <algorithm>

namespace bk::client {
namespace {

constexpr Rune kEscape = 0x1b, kCsiRune = 0x9b;
constexpr size_t kMaxArguments = 64;

bool StartsString(Rune rune) { return rune == ']' || rune == 'P' || rune == 'X' || rune == '^' || rune == '_'; }
bool StartsStringC1(Rune rune) { return rune == 0x90 || rune == 0x98 || rune == 0x9d || rune == 0x9e || rune == 0x9f; }

}  // namespace

int Columns(Rune rune) {
  if (rune < 0x300) return rune < ' ' || (rune >= 0x7f && rune < 0xa0) ? 0 : 1;
  return std::clamp(utf8proc_charwidth(rune), 0, 2);
}

int Columns(std::string_view text) {
  int columns = 0;
  for (size_t at = 0; at < text.size();) {
    DecodedRune next = DecodeRune(text.substr(at));
    columns += Columns(next.rune);
    at += next.width;
  }
  return columns;
}

std::string Align(std::string_view left, std::string_view right, int width) {
  auto length = [](std::string_view text) { return static_cast<int>(text.size()); };
  std::string out(left);
  out.append(static_cast<size_t>(std::max(width - length(right) - static_cast<int>(Runes(left).size()), 1)), ' ');
  return out.append(right);
}

bool IsControl(Rune rune) {
  if (rune < 0x20 || (rune >= 0x7f && rune < 0xa0)) return true;
  return rune == 0x200e || rune == 0x200f || (rune >= 0x2028 && rune <= 0x202e) || (rune >= 0x2066 && rune <= 0x2069);
}

bool IsUnfinishedRune(std::string_view text) {
  unsigned char first = static_cast<unsigned char>(text[0]);
  size_t need = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 1;
  if (first >= 0xf5 || text.size() >= need) return false;
  return std::all_of(text.begin() + 1, text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; });
}

EscapeFilter::Kind EscapeFilter::Next(Rune rune) {
  if (state_ == State::kText && rune != kEscape && rune != kCsiRune && !StartsStringC1(rune)) return Kind::kText;
  if (rune == '\n' && state_ != State::kText) {  // no sequence of a program that knows what it does
    state_ = State::kText;
    return Kind::kText;
  }
  if (rune == kEscape && state_ != State::kString) {
    state_ = State::kEscape;
    return Kind::kInside;
  }
  switch (state_) {
    case State::kText:
      arguments_.clear();
      state_ = rune == kCsiRune ? State::kCsi : State::kString;
      return Kind::kInside;
    case State::kEscape:
      arguments_.clear();
      if (rune == '[' || StartsString(rune)) {
        state_ = rune == '[' ? State::kCsi : State::kString;
        return Kind::kInside;
      }
      state_ = rune >= 0x20 && rune < 0x30 ? State::kIntermediate : State::kText;
      return state_ == State::kText ? Kind::kCommand : Kind::kInside;
    case State::kIntermediate:  // ESC ( B and the like
      if (rune < 0x20 || rune >= 0x30) state_ = State::kText;
      return Kind::kInside;
    case State::kCsi:
      if (rune >= 0x40 && rune <= 0x7e) {
        state_ = State::kText;
        return Kind::kCommand;
      }
      if (arguments_.size() < kMaxArguments) AppendRune(arguments_, rune);
      return Kind::kInside;
    case State::kString:
      state_ = rune == kEscape ? State::kStringEscape : rune == '\a' || rune == 0x9c ? State::kText : State::kString;
      return Kind::kInside;
    case State::kStringEscape:
      state_ = State::kText;
      return Kind::kInside;
  }
  return Kind::kInside;
}

std::string Harmless(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  EscapeFilter filter;
  for (size_t at = 0; at < text.size();) {
    DecodedRune next = DecodeRune(text.substr(at));
    at += next.width;
    if (filter.Next(next.rune) != EscapeFilter::Kind::kText) continue;
    if (next.rune == '\r') {
      out += ' ';
    } else if (next.rune == '\t' || next.rune == '\n' || !IsControl(next.rune)) {
      AppendRune(out, next.rune);
    }
  }
  return out;
}

}  // namespace bk::client
