// Shell completion. [CTL-008]
#include "client/cli/completion.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/os/file.h"
#include "base/os/process.h"
#include "base/split.h"
#include "client/cli/verbs.h"

using namespace bk;
using namespace bk::client;

namespace {

std::vector<std::string> Offers(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (const auto& candidate : Complete(MakeRoot(CancelToken::Never()), words).candidates) out.push_back(candidate.text);
  std::sort(out.begin(), out.end());
  return out;
}

std::string PathsAt(const std::vector<std::string>& words) {
  std::string text = CompletionText(Complete(MakeRoot(CancelToken::Never()), words));
  size_t colon = text.rfind("\n:");
  return text.starts_with(':') ? text : colon == std::string::npos ? "" : text.substr(colon + 1);
}

using List = std::vector<std::string>;

// What bash offers for `line`, by its own rules of words.
List InBash(const std::string& line, const std::string& directory) {
  os::ProcessOptions options;
  options.argv = {"bash", "--norc", "-c",
                  "source <(buildctl completion bash); COMP_LINE=\"$1\"; COMP_POINT=${#COMP_LINE}; _buildctl_complete; printf '%s\\n' \"${COMPREPLY[@]}\"", "bash", line};
  std::string program = BUILDCTL_PATH;
  options.replace_env = true;
  options.env = {"PATH=" + program.substr(0, program.rfind('/')) + ":/usr/bin:/bin"};
  options.cwd = directory;
  auto output = os::Run(CancelToken::Never(), options, "");
  REQUIRE(output.ok());
  CHECK(output->err == "");
  List out;
  for (std::string_view word : SplitNonEmpty(output->out, '\n')) out.emplace_back(word);
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("verbs, flags and values are offered where they may stand") {
  CHECK(Offers({"pru"}) == List{"prune", "prune-histories"});
  CHECK(Offers({"--addr", "tcp://x", "debug", "w"}) == List{"workers"});
  CHECK(Offers({"build", "--prog"}) == List{"--progress"});
  CHECK(Offers({"b", "--tlsc"}) == List{"--tlscacert", "--tlscert"});
  CHECK(Offers({"build", "--progress", "p"}) == List{"plain"});
  CHECK(Offers({"build", "--progress=t"}) == List{"--progress=tty"});
  CHECK(Offers({"build", "-o", "type=o"}) == List{"type=oci"});
  CHECK(Offers({"build", "--no-cache", "--fronte"}) == List{"--frontend"});
  CHECK(Offers({"build", "--", "--fronte"}).empty());
  CHECK(Offers({"dial"}).empty());
  CHECK(Offers({"du", "stray", "x"}).empty());
  CHECK(Offers({"debug", "logs", "--progress", ""}) == List{"auto", "plain", "quiet", "rawjson", "tty"});
  CHECK_FALSE(Offers({}).empty());
}

TEST_CASE("paths are asked of the shell") {
  CHECK(PathsAt({"build", "--local", "context=./s"}) == ":directories context=\n");
  CHECK(PathsAt({"build", "--local=context=./s"}) == ":directories --local=context=\n");
  CHECK(PathsAt({"build", "--local", "con"}) == "");
  CHECK(PathsAt({"build", "--metadata-file", "x"}) == ":files \n");
  CHECK(PathsAt({"debug", "dump-llb", ""}) == ":files \n");
  CHECK(PathsAt({"--tlsdir="}) == ":directories --tlsdir=\n");
}

TEST_CASE("bash completes words, also those that it cuts at = and :") {
  os::TempDir directory = *os::TempDir::Make("completion");
  REQUIRE(os::MakeDirs(directory.path() + "/source", 0755).ok());
  REQUIRE(os::WriteFile(directory.path() + "/some file", "", 0644).ok());
  CHECK(InBash("buildctl deb", directory.path()) == List{"debug"});
  CHECK(InBash("buildctl build --progress=p", directory.path()) == List{"plain"});
  CHECK(InBash("buildctl build --progress ", directory.path()).size() == 5);
  CHECK(InBash("buildctl build --output type=t", directory.path()) == List{"tar"});
  CHECK(InBash("buildctl --addr docker-container:", directory.path()) == List{"//"});
  CHECK(InBash("buildctl build --local context=so", directory.path()) == List{"source"});
  CHECK(InBash("buildctl build --metadata-file so", directory.path()) == List{"some file", "source"});
}

TEST_CASE("shells that are not known") {
  CHECK(Message(CompletionScript({}).status()) == "no shell provided for completion command. available shells are [bash fish zsh]");
  CHECK(Message(CompletionScript({"tcsh"}).status()) == "unknown shell tcsh, available shells are [bash fish zsh]");
  CHECK(CompletionScript({"zsh"})->starts_with("#compdef buildctl\n"));
}
