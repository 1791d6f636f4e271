#include "base/flags.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>

#include "base/go_parse.h"

namespace bk::flags {
namespace {

constexpr char kHelp[] = "help";

bool Named(const Flag& flag, std::string_view name) {
  return flag.name == name || std::find(flag.aliases.begin(), flag.aliases.end(), name) != flag.aliases.end();
}

bool Named(const Command& command, std::string_view name) {
  return command.name == name || std::find(command.aliases.begin(), command.aliases.end(), name) != command.aliases.end();
}

absl::StatusOr<double> ParseFloat(const std::string& text) {
  double value = 0;
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) return InvalidArgument("strconv.ParseFloat: parsing ", Quote(text), ": value out of range");
  if (error != std::errc() || end != digits.data() + digits.size()) return InvalidArgument("strconv.ParseFloat: parsing ", Quote(text), ": invalid syntax");
  return value;
}

// The text in the form that the getters read.
absl::Status Check(Kind kind, const std::string& text) {
  switch (kind) {
    case Kind::kBool:
      if (!ParseBool(text).ok()) return InvalidArgument("parse error");
      return absl::OkStatus();
    case Kind::kInt: return internal::ToStatus(ParseInt(text));
    case Kind::kFloat: return internal::ToStatus(ParseFloat(text));
    case Kind::kDuration: return internal::ToStatus(ParseDurationNs(text));
    case Kind::kString:
    case Kind::kStrings: return absl::OkStatus();
  }
  return absl::OkStatus();
}

std::string Trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

void Values::Declare(const Flag& flag) {
  Entry entry{flag.kind, {}, false};
  if (!flag.value.empty()) entry.texts.push_back(flag.value);
  entries_[flag.name] = std::move(entry);
}

const Values::Entry* Values::Find(std::string_view name) const {
  auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : &it->second;
}

absl::Status Values::Set(const Flag& flag, std::string_view as_written, const std::string& text) {
  if (absl::Status status = Check(flag.kind, text); !status.ok()) {
    return InvalidArgument("invalid value ", Quote(text), " for flag -", as_written, ": ", Message(status));
  }
  Entry& entry = entries_[flag.name];
  entry.kind = flag.kind;
  if (flag.kind != Kind::kStrings || !entry.set) entry.texts.clear();
  entry.texts.push_back(text);
  entry.set = true;
  return absl::OkStatus();
}

std::string Values::String(std::string_view name) const {
  const Entry* entry = Find(name);
  return entry == nullptr || entry->texts.empty() ? "" : entry->texts.back();
}

bool Values::Bool(std::string_view name) const { return ParseBool(String(name)).value_or(false); }
int64_t Values::Int(std::string_view name) const { return ParseInt(String(name)).value_or(0); }
double Values::Float(std::string_view name) const { return ParseFloat(String(name)).value_or(0); }
int64_t Values::DurationNs(std::string_view name) const { return ParseDurationNs(String(name)).value_or(0); }

std::vector<std::string> Values::Strings(std::string_view name) const {
  const Entry* entry = Find(name);
  return entry == nullptr ? std::vector<std::string>() : entry->texts;
}

bool Values::IsSet(std::string_view name) const {
  const Entry* entry = Find(name);
  return entry != nullptr && entry->set;
}

// Walks down the commands, flags first.
class Parser {
 public:
  Parser(const Command& root, std::string_view version, std::string_view version_line) : version_(version), version_line_(version_line) {
    path_.push_back(&root);
    Declare(root);
  }

  Parsed Run(std::span<const std::string> args) {
    while (true) {
      std::vector<std::string> rest;
      if (absl::Status status = ReadFlags(args, rest); !status.ok()) return Usage(status);
      const Command& command = *path_.back();
      if (help_) return Text(HelpPage(path_, version_));
      if (path_.size() == 1 && show_version_) return Text(std::string(version_line_) + "\n");
      const Command* next = rest.empty() ? nullptr : Child(command, rest[0]);
      if (next != nullptr) {
        path_.push_back(next);
        Declare(*next);
        kept_ = {rest.begin() + 1, rest.end()};
        args = kept_;
        continue;
      }
      if (!command.commands.empty() && !rest.empty()) return HelpTopic(rest);
      if (!command.action) return Text(HelpPage(path_, version_));
      values_.SetArgs(std::move(rest));
      Parsed parsed;
      parsed.command = &command;
      parsed.values = std::move(values_);
      return parsed;
    }
  }

 private:
  static const Command* Child(const Command& command, std::string_view name) {
    for (const Command& child : command.commands) {
      if (Named(child, name)) return &child;
    }
    return nullptr;
  }

  void Declare(const Command& command) {
    for (const Flag& flag : command.flags) values_.Declare(flag);
  }

  const Flag* Lookup(std::string_view name) const {
    for (size_t depth = path_.size(); depth-- > 0;) {
      for (const Flag& flag : path_[depth]->flags) {
        if (flag.local && depth + 1 != path_.size()) continue;
        if (Named(flag, name)) return &flag;
      }
    }
    return nullptr;
  }

  // Everything up to the next command name; arguments are collected in `rest`.
  absl::Status ReadFlags(std::span<const std::string> args, std::vector<std::string>& rest) {
    for (size_t i = 0; i < args.size(); i++) {
      std::string word = Trim(args[i]);
      if (word == "--") {
        rest.insert(rest.end(), args.begin() + i + 1, args.end());
        return absl::OkStatus();
      }
      bool is_flag = word.size() > 1 && word[0] == '-' && (word[1] == '-' || std::isalpha(static_cast<unsigned char>(word[1])));
      if (word.size() > 1 && word[0] == '-' && !is_flag) {
        rest.insert(rest.end(), args.begin() + i, args.end());
        return absl::OkStatus();
      }
      if (!is_flag) {
        if (rest.empty() && Child(*path_.back(), word) != nullptr) {
          rest.insert(rest.end(), args.begin() + i, args.end());
          return absl::OkStatus();
        }
        rest.push_back(word.empty() ? args[i] : word);
        continue;
      }
      BK_RETURN_IF_ERROR(ReadFlag(word, args, i));
    }
    return absl::OkStatus();
  }

  absl::Status ReadFlag(const std::string& word, std::span<const std::string> args, size_t& i) {
    std::string name = word.substr(word[1] == '-' ? 2 : 1), value;
    bool has_value = false;
    if (size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
      has_value = true;
    }
    const Flag* flag = Lookup(name);
    if (flag == nullptr && (name == kHelp || name == "h")) {
      help_ = true;
      return absl::OkStatus();
    }
    if (flag == nullptr && path_.size() == 1 && (name == "version" || name == "v")) {
      show_version_ = true;
      return absl::OkStatus();
    }
    if (flag == nullptr) return InvalidArgument("flag provided but not defined: -", name);
    if (flag->kind == Kind::kBool) return values_.Set(*flag, name, value.empty() ? "true" : value);
    if (!has_value) {
      if (i + 1 == args.size()) return InvalidArgument("flag needs an argument: ", word);
      value = args[++i];
    }
    return values_.Set(*flag, name, value);
  }

  Parsed Usage(const absl::Status& status) {
    Parsed parsed;
    parsed.error = status;
    parsed.complaint = StrCat("Incorrect Usage: ", Message(status), "\n\n");
    parsed.exit_code = 1;
    if (path_.size() == 1) parsed.out = HelpPage(path_, version_);  // as the reference, of which only the root command does so
    return parsed;
  }
  Parsed Text(std::string text) {
    Parsed parsed;
    parsed.out = std::move(text);
    return parsed;
  }
  // `help [COMMAND]`, and words that are no command.
  Parsed HelpTopic(const std::vector<std::string>& words) {
    std::string topic = words[0];
    if (topic == kHelp || topic == "h") {
      if (words.size() == 1) return Text(HelpPage(path_, version_));
      topic = words[1];
      if (const Command* child = Child(*path_.back(), topic)) {
        path_.push_back(child);
        return Text(HelpPage(path_, version_));
      }
    }
    Parsed parsed;
    parsed.complaint = StrCat("No help topic for '", topic, "'\n");
    parsed.exit_code = 3;
    return parsed;
  }

  std::string_view version_, version_line_;
  std::vector<const Command*> path_;
  Values values_;
  std::vector<std::string> kept_;
  bool help_ = false, show_version_ = false;
};

Parsed Parse(const Command& root, std::string_view version, std::string_view version_line, std::span<const std::string> args) {
  return Parser(root, version, version_line).Run(args);
}

}  // namespace bk::flags
