#include "daemon/ops/file/mode_text.h"

#include <sys/stat.h>

#include <charconv>

namespace bk::ops::file {
namespace {

constexpr unsigned kAll = S_ISUID | S_ISGID | S_IRWXU | S_IRWXG | S_IRWXO;

// `mode`'s bits of one class, given to all three.
unsigned Spread(unsigned mode, char from) {
  unsigned bits = (from == 'u' ? mode >> 6 : from == 'g' ? mode >> 3 : mode) & 07;
  return bits << 6 | bits << 3 | bits;
}

}  // namespace

absl::StatusOr<unsigned> ModeText::ParseWho(std::string_view& text) {
  unsigned who = 0;
  for (; !text.empty(); text.remove_prefix(1)) {
    switch (text[0]) {
      case 'a': who |= kAll; break;
      case 'u': who |= S_ISUID | S_IRWXU; break;
      case 'g': who |= S_ISGID | S_IRWXG; break;
      case 'o': who |= S_IRWXO; break;
      default: return who;
    }
  }
  return Unknown("mode: nothing follows who");
}

absl::StatusOr<ModeText::Change> ModeText::ParseChange(std::string_view& text, unsigned who) {
  Change change;
  change.op = text[0];
  if (change.op != '+' && change.op != '-' && change.op != '=') return Unknown("mode: ", Quote(std::string(1, change.op)), " is no operator");
  text.remove_prefix(1);
  change.who = who == 0 ? kAll : who;
  bool only_others = who != 0 && (who & ~static_cast<unsigned>(S_IRWXO)) == 0;
  for (; !text.empty(); text.remove_prefix(1)) {
    switch (text[0]) {
      case 'r': change.bits |= S_IRUSR | S_IRGRP | S_IROTH; continue;
      case 'w': change.bits |= S_IWUSR | S_IWGRP | S_IWOTH; continue;
      case 'x': change.bits |= S_IXUSR | S_IXGRP | S_IXOTH; continue;
      case 'X': change.execute_if_any = true; continue;
      case 's': if (!only_others) change.bits |= S_ISUID | S_ISGID; continue;
      case 't':
        if (!only_others) {
          change.bits |= S_ISVTX;
          change.who |= S_ISVTX;
        }
        continue;
      case 'u':
      case 'g':
      case 'o': change.copy_from = text[0]; continue;
      default: break;
    }
    break;
  }
  return change;
}

absl::StatusOr<ModeText> ModeText::Parse(std::string_view text) {
  ModeText mode;
  auto bad = [whole = text] { return InvalidArgument("invalid mode ", Quote(whole)); };
  if (text.empty()) return bad();
  if (text[0] >= '0' && text[0] <= '7') {
    unsigned value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
    if (error != std::errc() || end != text.data() + text.size() || value > 07777) return bad();
    Change set;
    set.bits = value;
    mode.changes_.push_back(set);
    return mode;
  }
  while (true) {
    auto who = ParseWho(text);
    if (!who.ok()) return bad();
    do {
      auto change = text.empty() ? absl::StatusOr<Change>(bad()) : ParseChange(text, *who);
      if (!change.ok()) return bad();
      mode.changes_.push_back(*change);
    } while (!text.empty() && text[0] != ',');
    if (text.empty()) return mode;
    text.remove_prefix(1);
  }
}

unsigned ModeText::Apply(unsigned mode, bool is_directory) const {
  unsigned original = mode;
  for (const Change& change : changes_) {
    unsigned bits = change.bits;
    if (change.copy_from != 0) bits |= Spread(mode, change.copy_from);
    if (change.execute_if_any && (is_directory || (original & 0111) != 0)) bits |= 0111;
    bits &= change.who;
    if (change.op == '=') mode &= ~change.who;
    mode = change.op == '-' ? mode & ~bits : mode | bits;
  }
  return mode;
}

}  // namespace bk::ops::file
