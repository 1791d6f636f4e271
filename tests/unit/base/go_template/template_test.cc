// Templates against what Go 1.26's text/template printed for the same data (cases.jsonl). [CTL-058]
#include "base/go_template/template.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/go_template/functions.h"
#include "base/go_template/time_value.h"
#include "doctest/doctest.h"

using namespace bk;
using namespace bk::go_template;

namespace {

constexpr int64_t kMade = 1767323045;

Value Inner(const std::string& name, int64_t count) {
  static const auto type = MakeType("main.Inner", Kind::kStruct);
  return Value::Struct(type, {MakeField("Name", "name", Value::String(name)), MakeField("Count", "count", Value::Int(count), true)});
}

Value Labels(std::map<std::string, std::string> labels) {
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, value] : labels) entries.emplace_back(Value::String(key), Value::String(value));
  bool nil = entries.empty();
  return Value::Map("map[string]string", std::move(entries), Value::String(""), nil);
}

Value Item(std::string id, int64_t size, bool first) {
  static const auto item = MakeType("main.Item", Kind::kStruct), kind = MakeType("main.Kind", Kind::kString), big = MakeType("int64", Kind::kInt);
  static const auto inner_pointer = MakeType("*main.Inner", Kind::kPointer);
  return Value::Pointer(Value::Struct(
      item, {MakeField("ID", "id", Value::String(id)), MakeField("Size", "size", Value::IntOf(big, size)), MakeField("Used", "used", Value::Bool(first)),
             MakeField("Kind", "kind", Value::StringOf(kind, first ? "regular" : "")), MakeField("Made", "made", TimeValue(kMade, first ? 0 : 5)),
             MakeField("Last", "last", TimePointer(first, kMade, 123000000)), MakeField("Keep", "keep", DurationValue(first ? 90'000'000'000 : 0)),
             MakeField("Names", "names", Value::Strings(first ? std::vector<std::string>{"x", "y z"} : std::vector<std::string>())),
             MakeField("Labels", "labels", Labels(first ? std::map<std::string, std::string>{{"k", "v"}, {"a", "<b>"}} : std::map<std::string, std::string>())),
             MakeField("In", "in", first ? Inner("in", 3) : Inner("", 0)), MakeField("Ptr", "ptr", Value::Pointer(inner_pointer, Inner(first ? "p" : "", 0), !first))}));
}

Value Data() { return Value::Slice("[]*main.Item", {Item("a1", 42, true), Item("b2", -7, false)}); }

std::pair<std::string, std::string> Run(const std::string& source, const Value& data) {
  auto parsed = Template::Parse(source);
  if (!parsed.ok()) return {"", Message(parsed.status())};
  std::string out;
  absl::Status status = parsed->Execute(data, out);
  return {out, Message(status)};
}

}  // namespace

TEST_CASE("templates print and complain as Go's do") {
  std::ifstream in("tests/unit/base/go_template/cases.jsonl");
  Value data = Data();
  int cases = 0;
  for (std::string line; std::getline(in, line); cases++) {
    auto json = nlohmann::json::parse(line);
    std::string source = json.at("template");
    CAPTURE(source);
    auto [out, error] = Run(source, data);
    CHECK(error == json.at("error").get<std::string>());
    CHECK(out == json.at("out").get<std::string>());
  }
  CHECK(cases > 180);
}

TEST_CASE("a template that calls itself ends") {
  auto [out, error] = Run(R"({{define "x"}}{{template "x"}}{{end}}{{template "x"}})", Data());
  CHECK(error.ends_with("exceeded maximum template depth (300)"));
}

TEST_CASE("nesting, sources, steps and widths are bounded") {
  std::string parens = "{{" + std::string(5000, '(') + "1" + std::string(5000, ')') + "}}", blocks;
  CHECK(Run(parens, Data()).second.ends_with("max expression depth exceeded"));
  for (int i = 0; i < 5000; i++) blocks += "{{if 1}}";
  CHECK(Run(blocks, Data()).second.ends_with("blocks are nested too deeply (300 at most)"));
  std::string chained = "{{if 0}}";
  for (int i = 0; i < 5000; i++) chained += "{{else if 0}}";
  CHECK(Run(chained + "{{end}}", Data()).second.ends_with("blocks are nested too deeply (300 at most)"));
  CHECK(Template::Parse(std::string(1 << 20, 'x')).status().message().find("larger than") != std::string::npos);
  CHECK(Run(R"({{range 9223372036854775807}}{{printf "%9999d" .}}{{end}})", Data()).second.find("prints more than") != std::string::npos);
  CHECK(Run(R"({{printf "%1000001d" 5}})", Data()).first == "5");
}

TEST_CASE("times far away do no harm") {
  CHECK_FALSE(Run("{{.}} {{.Unix}} {{.UnixMilli}} {{.UnixNano}} {{json .}}", TimeValue(INT64_MAX, -1)).first.empty());
}
