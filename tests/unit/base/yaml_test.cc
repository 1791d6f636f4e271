#include "base/yaml.h"

#include <doctest/doctest.h>

using namespace bk;

namespace {

std::string Json(std::string_view yaml) {
  auto json = YamlToJson(yaml);
  return json.ok() ? *json : Message(json.status());
}

}  // namespace

TEST_CASE("block collections, compact ones in them, and sequences right below their key") {
  CHECK(Json("a: 1\nb:\n  c: x y\n  d:\n  - 1\n  - e: f\n    g: h\n  -\n    i: j\n") == R"({"a":1,"b":{"c":"x y","d":[1,{"e":"f","g":"h"},{"i":"j"}]}})");
  CHECK(Json("- - a\n  - b\n- c\n") == R"([["a","b"],"c"])");
  CHECK(Json("a:\nb: ~\nc: ''\n") == R"({"a":null,"b":null,"c":""})");
  CHECK(Json("just text\n") == "\"just text\"");
  CHECK(Json("") == "null");
}

TEST_CASE("comments, document marks and byte order marks are no content") {
  CHECK(Json("\xef\xbb\xbf# c\n---\n# c\na: b # c\n\n  # c\nd: e#f\n...\n# end\n") == R"({"a":"b","d":"e#f"})");
  CHECK(Json("a: 1\r\nb: 2\r\n") == R"({"a":1,"b":2})");
}

TEST_CASE("scalars are what YAML 1.1 takes them for") {
  CHECK(Json("[0644, 0o17, 0x1F, -1, 1.5, 1e3, 01.5, 1_0, 08]") == R"([420,15,31,-1,1.5,1e3,"01.5","1_0","08"])");
  CHECK(Json("[true, Yes, ON, no, FALSE, off, y, tRue, null, Null]") == R"([true,true,true,false,false,false,"y","tRue",null,null])");
  CHECK(Json("a: http://x:80/y\nb: x:y\nc: -x\n") == R"({"a":"http://x:80/y","b":"x:y","c":"-x"})");
}

TEST_CASE("quoted texts have their escapes") {
  CHECK(Json(R"(["a\tb\"\\\u00e9\x41\U0001F600\ud83d\ude00\/", 'it''s \n', "k": 1])").find("line 1: ") == 0);
  CHECK(Json(R"(["a\tb\"\\\u00e9\x41\U0001F600\ud83d\ude00\/", 'it''s \n'])") == R"(["a\tb\"\\éA😀😀/","it's \\n"])");
  CHECK(Json("\"a b\": 'c: d'\n") == R"({"a b":"c: d"})");
}

TEST_CASE("JSON is read as it is") {
  CHECK(Json("{\n\t\"a\":[1,2,{\"b\":null}],\n\t\"c\" : \"d\",\n\t\"e\":{}, \"f\":[]\n}") == R"({"a":[1,2,{"b":null}],"c":"d","e":{},"f":[]})");
  CHECK(Json("a: {b: [c, d], e: }\n") == R"({"a":{"b":["c","d"],"e":null}})");
}

TEST_CASE("what is not read is refused with its line") {
  const std::pair<const char*, const char*> cases[] = {
      {"a: 1\nb: &x 1\n", "line 2: anchors and aliases are not read"}, {"a: *x\n", "line 1: anchors and aliases are not read"},
      {"a: !t 1\n", "line 1: tags are not read"},                      {"a: |\n  x\n", "line 1: block scalars are not read (put the text into quotes)"},
      {"a: 1\n  b: 2\n", "line 2: there is something behind the value, or its indentation is odd"},
      {"a: 1\na: 2\n", "line 2: the key \"a\" is there twice"},        {"{a: 1, a: 2}", "line 1: the key \"a\" is there twice"},
      {"a:\n\tb: 1\n", "line 2: a tab indents"},                        {"a: b: c\n", "line 1: a mapping cannot begin here"},
      {"[1, 2", "line 1: a ] is missing"},                              {"a: \"x\n", "line 1: a quoted text does not end on its line"},
      {"a: [1] x\n", "line 1: there is something behind the value"},    {"a: \"\\q\"", "line 1: unknown escape \\q"},
      {"a: \"\\u12\"", "line 1: an escape is cut short"},               {"a: @x\n", "line 1: a value cannot begin with @"},
      {"%YAML 1.2\n---\na: 1\n", "line 1: a value cannot begin with %"}};
  for (const auto& [yaml, error] : cases) CHECK(Json(yaml) == error);
}

TEST_CASE("nesting is bounded") {
  std::string deep(100000, '[');
  CHECK(Json(deep) == "line 1: values are nested too deeply");
  std::string blocks;
  for (int i = 0; i < 1000; i++) blocks += std::string(static_cast<size_t>(i), ' ') + "a:\n";
  CHECK(Json(blocks).find("nested too deeply") != std::string::npos);
  std::string dashes;
  for (int i = 0; i < 50000; i++) dashes += "- ";
  CHECK(Json(dashes).find("nested too deeply") != std::string::npos);
}
