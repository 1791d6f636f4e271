#include "base/yaml/yaml.h"

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
  CHECK(Json("a: http://x:80/y\nb: x:y\nc: -x\nd: \"0644\"\n") == R"({"a":"http://x:80/y","b":"x:y","c":"-x","d":"0644"})");
}

TEST_CASE("quoted texts and those of several lines") {
  CHECK(Json(R"(["a\tb\"\\\u00e9\x41\U0001F600\/", 'it''s \n'])") == R"(["a\tb\"\\éA😀/","it's \\n"])");
  CHECK(Json("\"a b\": 'c: d'\ne: |\n  f\n  g\nh: >-\n  i\n  j\nk: l\n  m\n") == R"({"a b":"c: d","e":"f\ng\n","h":"i j","k":"l m"})");
}

TEST_CASE("JSON is read as it is") {
  CHECK(Json("{\n  \"a\":[1,2,{\"b\":null}],\n  \"c\" : \"d\",\n  \"e\":{}, \"f\":[]\n}") == R"({"a":[1,2,{"b":null}],"c":"d","e":{},"f":[]})");
  CHECK(Json("a: {b: [c, d], e: }\n") == R"({"a":{"b":["c","d"],"e":null}})");
}

TEST_CASE("aliases stand for what they name, as far as that is bounded") {
  CHECK(Json("a: &x {b: 1}\nc: *x\n") == R"({"a":{"b":1},"c":{"b":1}})");
  CHECK(Json("&x [*x]") == "line 1: values are nested too deeply");
  std::string bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 12; i++) {
    std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int n = 0; n < 9; n++) bomb += ", " + before;
    bomb += "]\n";
  }
  CHECK(Json(bomb).find("aliases expand to too much") != std::string::npos);
}

TEST_CASE("what is not read is refused with its line") {
  const std::pair<const char*, const char*> cases[] = {
      {"a: !t 1\n", "line 1: the tag !t is not read"},
      {"a: 1\na: 2\n", "line 2: the key \"a\" is there twice"},
      {"b: 0\n{a: 1, a: 2}", "line 3: could not find expected ':'"},
      {"{a: 1, a: 2}", "line 1: the key \"a\" is there twice"},
      {"a:\n\tb: 1\n", "line 2: found character that cannot start any token"},
      {"a: b: c\n", "line 1: mapping values are not allowed in this context"},
      {"<<: {a: 1}\n", "line 1: merge keys are not read"},
      {"a: 0\n[b]: c\n", "line 2: a key is no text"},
      {"a: *x\n", "line 1: found undefined alias"},
      {"a: !!set {b}\n", "line 1: tags of mappings are not read"},
      {"a: \"\\q\"", "line 1: found unknown escape character"}};
  for (const auto& [yaml, error] : cases) CHECK(Json(yaml) == error);
}

TEST_CASE("nesting is bounded") {
  CHECK(Json(std::string(1000, '[') + std::string(1000, ']')) == "line 1: values are nested too deeply");
  CHECK(Json(std::string(100000, '[')) == "line 1: values are nested too deeply");
  std::string dashes;
  for (int i = 0; i < 50000; i++) dashes += "- ";
  CHECK(Json(dashes) == "line 1: values are nested too deeply");
}
