#include "daemon/config/toml_file.h"

#include <algorithm>
#include <sstream>

#include <toml++/toml.h>

#include "base/unicode.h"
#include "daemon/config/table.h"

namespace bk::config {
namespace {

std::string Place(const toml::source_region& source) { return StrCat("line ", source.begin.line, ", column ", source.begin.column); }

// The next part of a row's path, its dots unescaped.
std::string NextPart(std::string_view path, size_t at, size_t& end) {
  std::string part;
  for (end = at; end < path.size() && path[end] != '.'; end++) {
    if (path[end] == '\\') end++;
    part += path[end];
  }
  return part;
}

struct Child {
  std::string name, path;
  bool list = false, table = false;
};

std::vector<Child> ChildrenOf(const std::string& prefix) {
  std::vector<Child> children;
  for (const KeyRow& row : KeyRows()) {
    std::string_view path = row.path;
    if (!path.starts_with(prefix)) continue;
    size_t end = 0;
    std::string name = NextPart(path, prefix.size(), end);
    Child child{name, std::string(path.substr(0, end)), name.ends_with("[]"), end < path.size()};
    if (child.list) child.name.resize(child.name.size() - 2);
    auto same = std::find_if(children.begin(), children.end(), [&](const Child& c) { return c.name == child.name; });
    if (same == children.end()) {
      children.push_back(std::move(child));
    } else {
      same->table = same->table || child.table;
    }
  }
  return children;
}

const char* TypeName(toml::node_type type) {
  switch (type) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "a list";
    case toml::node_type::string: return "text";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number with a fraction";
    case toml::node_type::boolean: return "true or false";
    default: return "a date or time";
  }
}

const char* WantedName(KeyType type) {
  switch (type) {
    case KeyType::kBool: return "true or false";
    case KeyType::kInt: return "an integer";
    case KeyType::kString: return "text";
    case KeyType::kStrings: return "a list of texts";
    case KeyType::kStringMap: return "a table of texts";
    default: return "a table";
  }
}

bool IsZero(const Value& value) {
  if (const bool* b = std::get_if<bool>(&value.data)) return !*b;
  if (const int64_t* i = std::get_if<int64_t>(&value.data)) return *i == 0;
  if (const auto* s = std::get_if<std::string>(&value.data)) return s->empty();
  if (const auto* l = std::get_if<std::vector<std::string>>(&value.data)) return l->empty();
  if (const auto* m = std::get_if<StringMap>(&value.data)) return m->empty();
  if (const auto* d = std::get_if<DiskSpace>(&value.data)) return *d == DiskSpace{};
  if (const auto* n = std::get_if<Nanoseconds>(&value.data)) return n->ns == 0;
  return false;
}

class Reader {
 public:
  explicit Reader(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) lines_.push_back(line);
  }

  absl::StatusOr<Table> Read(const toml::table& from, const std::string& prefix, const std::string& shown) {
    Table out;
    std::vector<Child> children = ChildrenOf(prefix);
    for (auto&& [key, node] : from) {
      std::string_view name(key.str());
      auto match = [&](auto equal) { return std::find_if(children.begin(), children.end(), equal); };
      auto child = match([&](const Child& c) { return c.name == name || c.name == "*"; });
      if (child == children.end()) child = match([&](const Child& c) { return EqualFold(c.name, name); });
      std::string full = StrCat(shown, shown.empty() ? "" : ".", name.find('.') == std::string_view::npos ? std::string(name) : Quote(name));
      if (child == children.end()) {
        file_.unknown.push_back(StrCat(full, " (", Place(key.source()), ")"));
        continue;
      }
      std::string spelled = child->name == "*" ? std::string(name) : child->name;
      BK_RETURN_IF_ERROR(ReadChild(node, *child, full, spelled, out));
    }
    return out;
  }

  TomlFile file_;

 private:
  absl::Status Wrong(const toml::node& node, const std::string& full, const char* wanted) const {
    return InvalidArgument(Place(node.source()), ": ", full, " must be ", wanted, ", not ", TypeName(node.type()));
  }

  absl::Status ReadChild(const toml::node& node, const Child& child, const std::string& full, const std::string& spelled, Table& out) {
    const KeyRow* row = FindKey(child.path);
    if (child.list) {
      const toml::array* list = node.as_array();
      if (list == nullptr) return Wrong(node, full, "a list of tables ([[…]])");
      std::vector<Table> tables;
      for (auto&& element : *list) {
        const toml::table* table = element.as_table();
        if (table == nullptr) return Wrong(element, full, "a list of tables ([[…]])");
        BK_TRY(Table inner, Read(*table, child.path + ".", full));
        tables.push_back(std::move(inner));
      }
      out.emplace_back(spelled, Value{std::move(tables)});
      return absl::OkStatus();
    }
    if (child.table) {
      const toml::table* table = node.as_table();
      if (table == nullptr) return Wrong(node, full, "a table");
      size_t unknown_before = file_.unknown.size();
      BK_TRY(Table inner, Read(*table, child.path + ".", full));
      // A table with nothing but unknown names below it was not meant.
      bool meant = table->empty() || file_.unknown.size() - unknown_before < table->size();
      bool keep = !inner.empty() || (row != nullptr && row->keeps_zero() && meant);
      if (keep) out.emplace_back(spelled, Value{std::move(inner)});
      return absl::OkStatus();
    }
    if (!row->built()) file_.not_built.push_back(StrCat(full, " (", Place(node.source()), ")"));
    BK_TRY(Value value, ReadValue(node, row->type, full));
    if (row->keeps_zero() || !IsZero(value)) out.emplace_back(spelled, std::move(value));
    return absl::OkStatus();
  }

  absl::StatusOr<Value> ReadValue(const toml::node& node, KeyType type, const std::string& full) const {
    switch (type) {
      case KeyType::kBool:
        if (auto value = node.value_exact<bool>()) return Value{*value};
        break;
      case KeyType::kInt:
        if (auto value = node.value_exact<int64_t>()) return Value{*value};
        break;
      case KeyType::kString:
        if (auto value = node.value_exact<std::string>()) return Value{*value};
        break;
      case KeyType::kStrings: return ReadStrings(node, full);
      case KeyType::kStringMap: return ReadMap(node, full);
      case KeyType::kDiskSpace: {
        auto space = ParseDiskSpace(Raw(node, true));
        if (!space.ok()) return InvalidArgument(Place(node.source()), ": ", full, ": ", Message(space.status()));
        return Value{*space};
      }
      case KeyType::kDuration: {
        auto duration = ParseSeconds(Raw(node, false));
        if (!duration.ok()) return InvalidArgument(Place(node.source()), ": ", full, ": ", Message(duration.status()));
        return Value{*duration};
      }
      default: {
        std::ostringstream json;
        if (!node.is_table()) break;
        json << toml::json_formatter{*node.as_table()};
        return Value{Json{json.str()}};
      }
    }
    return Wrong(node, full, WantedName(type));
  }

  absl::StatusOr<Value> ReadStrings(const toml::node& node, const std::string& full) const {
    const toml::array* list = node.as_array();
    if (list == nullptr) return Wrong(node, full, WantedName(KeyType::kStrings));
    std::vector<std::string> out;
    for (auto&& element : *list) {
      auto text = element.value_exact<std::string>();
      if (!text) return Wrong(element, full, WantedName(KeyType::kStrings));
      out.push_back(*text);
    }
    return Value{std::move(out)};
  }

  absl::StatusOr<Value> ReadMap(const toml::node& node, const std::string& full) const {
    const toml::table* table = node.as_table();
    if (table == nullptr) return Wrong(node, full, WantedName(KeyType::kStringMap));
    StringMap out;
    for (auto&& [key, element] : *table) {
      auto text = element.template value_exact<std::string>();
      if (!text) return Wrong(element, full, WantedName(KeyType::kStringMap));
      out.emplace(key.str(), *text);
    }
    return Value{std::move(out)};
  }

  // The value as it is written (sizes and ages may be texts or numbers); of texts what they say.
  std::string Raw(const toml::node& node, bool drop_underscores) const {
    if (auto text = node.value_exact<std::string>()) return *text;
    const auto& begin = node.source().begin;
    std::string raw;
    if (begin.line > 0 && begin.line <= lines_.size()) {
      const std::string& line = lines_[begin.line - 1];
      size_t at = std::min<size_t>(begin.column - 1, line.size());
      raw = line.substr(at, line.find_first_of(",]}# \t\r", at) - at);
    }
    if (drop_underscores) std::erase(raw, '_');
    return raw;
  }

  std::vector<std::string> lines_;
};

}  // namespace

absl::StatusOr<TomlFile> ReadToml(const std::string& text) {
  if (text.starts_with("\xef\xbb\xbf")) return InvalidArgument("line 1, column 1: a byte-order mark is not allowed (save the file without one)");
  try {
    toml::table parsed = toml::parse(text);
    Reader reader(text);
    BK_TRY(reader.file_.table, reader.Read(parsed, "", ""));
    return std::move(reader.file_);
  } catch (const toml::parse_error& error) {
    return InvalidArgument(Place(error.source()), ": ", std::string(error.description()));
  }
}

}  // namespace bk::config
