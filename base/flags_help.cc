// Help pages in the layout of urfave/cli v3.
#include <algorithm>

#include "base/flags.h"

namespace bk::flags {
namespace {

std::string_view TypeName(Kind kind) {
  switch (kind) {
    case Kind::kBool: return "";
    case Kind::kString:
    case Kind::kStrings: return " string";
    case Kind::kInt: return " int";
    case Kind::kFloat: return " float";
    case Kind::kDuration: return " duration";
  }
  return "";
}

std::string FlagNames(const Flag& flag) {
  auto one = [&](std::string_view name) { return StrCat(name.size() == 1 ? "-" : "--", name, TypeName(flag.kind)); };
  std::string names = one(flag.name);
  for (const std::string& alias : flag.aliases) names += ", " + one(alias);
  return flag.kind == Kind::kStrings ? StrCat(names, " [ ", names, " ]") : names;
}

std::string DefaultText(const Flag& flag) {
  switch (flag.kind) {
    case Kind::kBool: return flag.value == "true" ? " (default: true)" : "";
    case Kind::kString: return flag.value.empty() ? "" : StrCat(" (default: ", Quote(flag.value), ")");
    case Kind::kStrings: return flag.value.empty() ? "" : StrCat(" (default: ", Quote(flag.value), ")");
    case Kind::kDuration: return StrCat(" (default: ", flag.value.empty() ? "0s" : flag.value, ")");
    case Kind::kInt:
    case Kind::kFloat: return StrCat(" (default: ", flag.value.empty() ? "0" : flag.value, ")");
  }
  return "";
}

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string Table(const Rows& rows) {
  size_t width = 0;
  for (const auto& row : rows) width = std::max(width, row.first.size());
  std::string out;
  for (const auto& [name, text] : rows) out += StrCat("   ", name, std::string(width - name.size() + 2, ' '), text, "\n");
  return out;
}

void AddFlags(Rows& rows, const std::vector<Flag>& flags) {
  for (const Flag& flag : flags) {
    if (!flag.hidden) rows.emplace_back(FlagNames(flag), flag.usage + DefaultText(flag));
  }
}

std::string CommandRows(const Command& command, bool is_root) {
  Rows rows;
  for (const Command& child : command.commands) {
    if (child.hidden) continue;
    std::string names = child.name;
    for (const std::string& alias : child.aliases) names += ", " + alias;
    rows.emplace_back(names, child.usage);
  }
  if (is_root) rows.emplace_back("help, h", "Shows a list of commands or help for one command");
  return Table(rows);
}

// Text of several lines, indented by three spaces each; tabs are two spaces.
std::string Indented(const std::string& text) {
  std::string out = "   ";
  for (char c : text) {
    if (c == '\t') {
      out += "  ";
    } else {
      out += c;
      if (c == '\n') out += "   ";
    }
  }
  return out + "\n";
}

}  // namespace

std::string HelpPage(std::span<const Command* const> path, std::string_view version) {
  const Command& command = *path.back();
  bool is_root = path.size() == 1, is_group = !command.commands.empty();
  std::string full_name;
  for (const Command* c : path) full_name += (full_name.empty() ? "" : " ") + c->name;
  std::string out = StrCat("NAME:\n   ", full_name, " - ", command.usage, "\n\nUSAGE:\n");
  if (!command.usage_text.empty()) {
    out += Indented(command.usage_text);
  } else if (is_group) {
    out += StrCat("   ", full_name, is_root ? " [global options]" : "", " [command [command options]]\n");
  } else {
    out += StrCat("   ", full_name, " [options]\n");
  }
  if (is_root) out += StrCat("\nVERSION:\n   ", version, "\n");
  if (is_group) out += StrCat("\nCOMMANDS:\n", CommandRows(command, is_root));
  Rows own;
  AddFlags(own, command.flags);
  own.emplace_back("--help, -h", "show help");
  if (is_root) own.emplace_back("--version, -v", "print the version");
  out += StrCat(is_root ? "\nGLOBAL OPTIONS:\n" : "\nOPTIONS:\n", Table(own));
  if (!is_root && !is_group) {
    Rows inherited;
    for (size_t i = 0; i + 1 < path.size(); i++) {
      for (const Flag& flag : path[i]->flags) {
        if (!flag.hidden && !flag.local) inherited.emplace_back(FlagNames(flag), flag.usage + DefaultText(flag));
      }
    }
    if (!inherited.empty()) out += StrCat("\nGLOBAL OPTIONS:\n", Table(inherited));
  }
  return out;
}

}  // namespace bk::flags
