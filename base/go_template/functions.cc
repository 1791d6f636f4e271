#include "base/go_template/functions.h"

#include <cstdio>

#include "base/go_template/format.h"
#include "base/go_url.h"
#include "base/unicode.h"

namespace bk::go_template {
namespace {

using Args = std::span<const Value>;
using Result = absl::StatusOr<Value>;

// One argument that is a text is taken as it is; else what Sprint makes of them.
std::string Joined(Args args) {
  if (args.size() == 1 && args[0].kind() == Kind::kString && !args[0].type().text) return args[0].text();
  std::vector<Value> printable;
  for (const Value& arg : args) printable.push_back(arg.valid() && !(arg.kind() == Kind::kPointer && !arg.type().text) ? arg : arg.valid() ? Indirect(arg) : Value::String("<no value>"));
  return Sprint(printable);
}

Result Html(Args args) {
  std::string out;
  for (char c : Joined(args)) {
    switch (c) {
      case '\0': out += "\uFFFD"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += c;
    }
  }
  return Value::String(std::move(out));
}

Result Js(Args args) {
  std::string text = Joined(args), out;
  for (std::string_view rest = text; !rest.empty();) {
    DecodedRune rune = DecodeRune(rest);
    char escape[16];
    bool plain_ascii = rune.rune >= ' ' && rune.rune < 0x80;
    if (plain_ascii && std::string_view("\\'\"").find(static_cast<char>(rune.rune)) != std::string_view::npos) {
      out += '\\';
      out += static_cast<char>(rune.rune);
    } else if ((plain_ascii && std::string_view("<>&=").find(static_cast<char>(rune.rune)) == std::string_view::npos) || (rune.rune >= 0x80 && IsPrint(rune.rune))) {
      out += rest.substr(0, rune.width);
    } else {
      std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(rune.rune));
      out += escape;
    }
    rest.remove_prefix(rune.width);
  }
  return Value::String(std::move(out));
}

Result UrlQuery(Args args) { return Value::String(QueryEscape(Joined(args))); }
Result Json(Args args) { return Value::String(JsonOf(args[0])); }
Result Print(Args args) { return Value::String(Sprint(args)); }
Result PrintLine(Args args) { return Value::String(Sprintln(args)); }
Result PrintFormat(Args args) { return Value::String(Sprintf(args[0].text(), args.subspan(1))); }
Result Not(Args args) { return Value::Bool(!IsTrue(args[0])); }

Result Call(Args args) {
  if (!args[0].valid()) return Unknown("call of nil");
  return Unknown("non-function of type ", args[0].type_name());
}

Result Length(Args args) {
  Value item = Indirect(args[0]);
  if (!item.valid()) return Unknown("reflect: call of reflect.Value.Type on zero Value");
  if (item.kind() == Kind::kPointer) return Unknown("len of nil pointer");
  bool counted = item.kind() == Kind::kString || item.kind() == Kind::kSlice || item.kind() == Kind::kMap;
  if (!counted) return Unknown("len of type ", item.type_name());
  return Value::Int(static_cast<int64_t>(item.size()));
}

// A place in a list; `limit` is the first that is none.
absl::StatusOr<size_t> Place(const Value& index, size_t limit) {
  if (!index.valid()) return Unknown("cannot index slice/array with nil");
  bool whole = index.kind() == Kind::kInt || index.kind() == Kind::kUint;
  if (!whole) return Unknown("cannot index slice/array with type ", index.type_name());
  bool inside = index.natural() < limit && (index.kind() == Kind::kUint || index.integer() >= 0);
  if (!inside) return Unknown("index out of range: ", index.integer());
  return static_cast<size_t>(index.natural());
}

absl::StatusOr<Value> Lookup(const Value& map, const Value& index) {
  std::string key_type = map.type_name().substr(4, map.type_name().find(']') - 4);  // "map[string]…"
  if (!index.valid()) return Unknown("value is nil; should be of type ", key_type);
  bool same = index.type_name() == key_type || (index.kind() == Kind::kInt && key_type.starts_with("int"));
  if (!same) return Unknown("value has type ", index.type_name(), "; should be ", key_type);
  for (size_t i = 0; i < map.size(); i++) {
    bool found = index.kind() == Kind::kString ? map.key(i).text() == index.text() : map.key(i).integer() == index.integer();
    if (found) return map.item(i);
  }
  return map.zero();
}

Result Index(Args args) {
  Value item = args[0];
  if (!item.valid()) return Unknown("index of untyped nil");
  for (const Value& index : args.subspan(1)) {
    item = Indirect(item);
    if (item.kind() == Kind::kPointer) return Unknown("index of nil pointer");
    if (item.kind() == Kind::kMap) {
      BK_ASSIGN(item, Lookup(item, index));
    } else if (item.kind() == Kind::kSlice || item.kind() == Kind::kString) {
      BK_TRY(size_t place, Place(index, item.size()));
      item = item.item(place);
    } else {
      return Unknown("can't index item of type ", item.type_name());
    }
  }
  return item;
}

Result Slice(Args args) {
  Value item = Indirect(args[0]);
  if (!item.valid()) return Unknown("slice of untyped nil");
  if (item.kind() == Kind::kPointer) return Unknown("slice of nil pointer");
  Args indexes = args.subspan(1);
  if (indexes.size() > 3) return Unknown("too many slice indexes: ", indexes.size());
  if (item.kind() == Kind::kString && indexes.size() == 3) return Unknown("cannot 3-index slice a string");
  if (item.kind() != Kind::kString && item.kind() != Kind::kSlice) return Unknown("can't slice item of type ", item.type_name());
  size_t bounds[3] = {0, item.size(), item.size()};
  for (size_t i = 0; i < indexes.size(); i++) BK_ASSIGN(bounds[i], Place(indexes[i], item.size() + 1));
  if (bounds[0] > bounds[1]) return Unknown("invalid slice index: ", bounds[0], " > ", bounds[1]);
  if (indexes.size() == 3 && bounds[1] > bounds[2]) return Unknown("invalid slice index: ", bounds[1], " > ", bounds[2]);
  if (item.kind() == Kind::kString) return Value::String(item.text().substr(bounds[0], bounds[1] - bounds[0]));
  std::vector<Value> items;
  for (size_t i = bounds[0]; i < bounds[1]; i++) items.push_back(item.item(i));
  return Value::Slice(item.type_name(), std::move(items), item.nil());
}

// and, or: the evaluation ends them early; here the last argument is left.
Result Last(Args args) { return args.back(); }

constexpr Function kFunctions[] = {
    {"and", 1, true, false, &Last},          {"or", 1, true, false, &Last},       {"not", 1, false, false, &Not},
    {"call", 1, true, false, &Call},         {"html", 0, true, false, &Html},     {"js", 0, true, false, &Js},
    {"urlquery", 0, true, false, &UrlQuery}, {"index", 1, true, false, &Index},   {"slice", 1, true, false, &Slice},
    {"len", 1, false, false, &Length},       {"print", 0, true, false, &Print},   {"println", 0, true, false, &PrintLine},
    {"printf", 1, true, true, &PrintFormat}, {"eq", 1, true, false, &Equal},      {"ne", 2, false, false, &NotEqual},
    {"lt", 2, false, false, &Less},          {"le", 2, false, false, &LessOrEqual}, {"gt", 2, false, false, &Greater},
    {"ge", 2, false, false, &GreaterOrEqual}, {"json", 1, false, false, &Json},
};

}  // namespace

const Function* FindFunction(std::string_view name) {
  for (const Function& function : kFunctions) {
    if (function.name == name) return &function;
  }
  return nullptr;
}

const std::set<std::string, std::less<>>& FunctionNames() {
  static const std::set<std::string, std::less<>> names = [] {
    std::set<std::string, std::less<>> out;
    for (const Function& function : kFunctions) out.emplace(function.name);
    return out;
  }();
  return names;
}

bool IsTrue(const Value& value) {
  switch (value.kind()) {
    case Kind::kInvalid: return false;
    case Kind::kString:
    case Kind::kSlice:
    case Kind::kMap: return value.size() > 0;
    case Kind::kFloat: return value.real() != 0;
    case Kind::kStruct: return true;
    case Kind::kPointer: return !value.nil();
    default: return value.integer() != 0;
  }
}

Value Indirect(const Value& value) {
  Value out = value;
  while (out.kind() == Kind::kPointer && !out.nil()) out = out.target();
  return out;
}

std::string PrintedText(const Value& value) {
  if (!value.valid()) return "<no value>";
  bool told = value.kind() == Kind::kPointer && value.type().text;
  return Text(told ? value : Indirect(value));
}

}  // namespace bk::go_template
