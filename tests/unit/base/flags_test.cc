#include "base/flags.h"

#include <doctest/doctest.h>

using namespace bk;
using flags::Kind;

namespace {

flags::Command Root() {
  auto done = [](const flags::Values&) { return absl::OkStatus(); };
  flags::Command build{"build", {"b"}, "builds", "", {{"output", Kind::kStrings, "where to", {"o"}}, {"no-cache", Kind::kBool, "anew"}, {"keep", Kind::kDuration, "how long"}}, {}, done};
  flags::Command root{"tool", {}, "does things", "", {{"addr", Kind::kString, "where", {}, "here"}, {"timeout", Kind::kInt, "seconds", {}, "5"}, {"private", Kind::kBool, "", {}, "", true, true}}, {build}, nullptr};
  return root;
}

flags::Parsed Parse(const flags::Command& root, std::vector<std::string> args) { return flags::Parse(root, "v1", "tool v1", args); }

}  // namespace

TEST_CASE("one and two dashes, equals signs and following words are the same") {
  flags::Command root = Root();
  for (std::vector<std::string> args : std::vector<std::vector<std::string>>{
           {"--addr", "x", "build", "-o", "a"}, {"-addr=x", "b", "--output=a"}, {"build", "-addr", "x", "--o", "a"}}) {
    flags::Parsed parsed = Parse(root, args);
    REQUIRE(parsed.command != nullptr);
    CHECK(parsed.values.String("addr") == "x");
    CHECK(parsed.values.Strings("output") == std::vector<std::string>{"a"});
  }
}

TEST_CASE("repeated flags: lists grow, others take the last value") {
  flags::Command root = Root();
  flags::Parsed parsed = Parse(root, {"build", "-o", "a,b", "--output", "c", "--addr=1", "--addr=2"});
  CHECK(parsed.values.Strings("output") == std::vector<std::string>{"a,b", "c"});
  CHECK(parsed.values.String("addr") == "2");
}

TEST_CASE("an empty value after the equals sign is a value and eats no argument") {
  flags::Command root = Root();
  flags::Parsed parsed = Parse(root, {"build", "--addr=", "word"});
  CHECK(parsed.values.String("addr").empty());
  CHECK(parsed.values.IsSet("addr"));
  CHECK(parsed.values.args() == std::vector<std::string>{"word"});
}

TEST_CASE("booleans take no following word") {
  flags::Command root = Root();
  flags::Parsed parsed = Parse(root, {"build", "--no-cache", "word", "--no-cache=false"});
  CHECK_FALSE(parsed.values.Bool("no-cache"));
  CHECK(parsed.values.args() == std::vector<std::string>{"word"});
}

TEST_CASE("two dashes end the flags") {
  flags::Command root = Root();
  flags::Parsed parsed = Parse(root, {"build", "--", "--no-cache", "-x"});
  CHECK(parsed.values.args() == std::vector<std::string>{"--no-cache", "-x"});
  CHECK_FALSE(parsed.values.IsSet("no-cache"));
}

TEST_CASE("wrong usage is told with the reference's words") {
  flags::Command root = Root();
  CHECK(Message(Parse(root, {"build", "--nosuch"}).error) == "flag provided but not defined: -nosuch");
  CHECK(Message(Parse(root, {"build", "--output"}).error) == "flag needs an argument: --output");
  CHECK(Message(Parse(root, {"--timeout", "x", "build"}).error) == R"(invalid value "x" for flag -timeout: strconv.ParseInt: parsing "x": invalid syntax)");
  CHECK(Message(Parse(root, {"build", "--no-cache=maybe"}).error) == R"(invalid value "maybe" for flag -no-cache: parse error)");
  CHECK(Message(Parse(root, {"build", "--private"}).error) == "flag provided but not defined: -private");
  flags::Parsed unknown = Parse(root, {"frob"});
  CHECK(unknown.exit_code == 3);
  CHECK(unknown.complaint == "No help topic for 'frob'\n");
}

TEST_CASE("help and version are texts, not commands") {
  flags::Command root = Root();
  CHECK(Parse(root, {"--version"}).out == "tool v1\n");
  CHECK(Parse(root, {}).out == Parse(root, {"--help"}).out);
  std::string page = Parse(root, {"build", "-h"}).out;
  CHECK(page ==
        "NAME:\n   tool build - builds\n\nUSAGE:\n   tool build [options]\n\nOPTIONS:\n"
        "   --output string, -o string [ --output string, -o string ]  where to\n"
        "   --no-cache                                                 anew\n"
        "   --keep duration                                            how long (default: 0s)\n"
        "   --help, -h                                                 show help\n\n"
        "GLOBAL OPTIONS:\n   --addr string  where (default: \"here\")\n   --timeout int  seconds (default: 5)\n");
  CHECK(Parse(root, {"help", "build"}).out == page);
}
