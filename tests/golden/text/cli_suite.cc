// Runs buildctl as flags, output and env say and compares what it printed, wrote and asked the daemon for. [CTL-016, CTL-017, CTL-022, CTL-033, RPC-042]
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "base/digest.h"
#include "base/os/file.h"
#include "base/os/process.h"
#include "base/version.h"
#include "tests/golden/text/fake_daemon.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {

constexpr char kReferenceVersion[] = "github.com/moby/buildkit v0.0.0+unknown ";
// The reference serves gRPC's newest health method, which is none of the contract's.
constexpr char kHealthList[] = "/grpc.health.v1.Health/List";

// Files of the working directory: text, {filled_with, size}, or "directory" for a name that ends with a slash.
void MakeFiles(const std::string& root, const Json& files) {
  for (const auto& [name, value] : files.items()) {
    std::string path = root + "/" + name;
    if (name.ends_with('/')) {
      (void)os::MakeDirs(path, 0755);
      continue;
    }
    (void)os::MakeDirs(os::DirName(path), 0755);
    std::string text = value.is_string() ? value.get<std::string>() : std::string(value.at("size").get<size_t>(), value.at("filled_with").get<std::string>()[0]);
    (void)os::WriteFile(path, text, 0644);
  }
}

std::string Replace(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; !from.empty() && (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

// What differs by intent: our name and version; spans, which are not built; words of the reference's JSON, protobuf and
// network libraries.
std::string Expected(std::string text) {
  text = Replace(text, kReferenceVersion, StrCat(kPackage, " ", kVersion, " ", kRevision));
  text = Replace(text, " spanID=$SPAN traceID=$TRACE", "");
  return text;
}
std::string WithoutLibraryWords(std::string text) {
  for (const char* start : {"proto: ", "json: ", "invalid character '", "transport: Error while dialing: dial tcp", "connection error: desc = \"transport: Error while dialing: dial tcp"}) {
    size_t at = text.find(start);
    if (at == std::string::npos) continue;
    text.replace(at, std::min(text.find('\n', at), text.size()) - at, "LIBRARY");
  }
  return text;
}

// $TIME and $RANDOM stand for one word of any kind.
bool Matches(std::string_view got, std::string_view want) {
  for (std::string_view name : {"$TIME", "$RANDOM"}) {
    if (!want.starts_with(name)) continue;
    for (size_t n = 1; n <= got.size() && std::string_view("\" \n").find(got[n - 1]) == std::string_view::npos; n++) {
      if (Matches(got.substr(n), want.substr(name.size()))) return true;
    }
    return false;
  }
  size_t n = 0;
  while (n < got.size() && n < want.size() && got[n] == want[n] && want[n] != '$') n++;
  if (n < got.size() && n < want.size() && want[n] == '$' && n > 0) return Matches(got.substr(n), want.substr(n));
  if (n == 0 && !got.empty() && !want.empty() && got[0] == '$' && want[0] == '$') return Matches(got.substr(1), want.substr(1));
  return n == got.size() && n == want.size();
}

absl::Status ExpectPattern(const std::string& what, const std::string& raw_got, const std::string& raw_want) {
  // An address without a meaning: the reference hands it to its network library.
  if (raw_want.find("dial tcp: lookup") != std::string::npos && raw_got.starts_with("error: ")) return absl::OkStatus();
  std::string got = WithoutLibraryWords(raw_got), want = WithoutLibraryWords(Expected(raw_want));
  return Matches(got, want) ? absl::OkStatus() : ExpectText(what, got, want);
}

// Help pages without the rows of our own flags and verbs, and without the columns' widths, which follow from the rows.
std::string HelpWithoutOwn(const std::string& page) {
  std::string out, line;
  std::istringstream lines(page);
  while (std::getline(lines, line)) {
    std::istringstream in(line);
    std::string words, word, first;
    while (in >> word) words += (words.empty() ? "" : " ") + (word == "v0.0.0+unknown" ? std::string(kVersion) : word);
    first = words.substr(0, words.find(' '));
    bool own = std::set<std::string>{"--daemonless", "--keep-alive", "--lock", "--locked", "--offline", "attach", "explain"}.contains(first);
    if (!own) out += words + "\n";
  }
  return out;
}

struct Outcome {
  os::Output output;
  Json seen;
  std::string ref, session, directory;
};

absl::StatusOr<Outcome> RunBuildctl(const Json& input, const Json& files, const os::TempDir& temp) {
  std::string work = temp.path() + "/work", home = temp.path() + "/home", socket = temp.path() + "/d.sock";
  BK_RETURN_IF_ERROR(os::MakeDirs(work, 0755));
  BK_RETURN_IF_ERROR(os::MakeDirs(home, 0755));
  MakeFiles(work, files);
  FakeDaemon daemon(socket, input.value("server", Json::object()));
  os::ProcessOptions options;
  options.argv = {BUILDCTL_PATH};
  if (!input.value("no_addr_flag", false)) options.argv.insert(options.argv.end(), {"--addr", "unix://" + socket});
  for (const Json& arg : input.at("args")) options.argv.push_back(Text(arg));
  options.replace_env = true;
  options.env = {"HOME=" + home, "DOCKER_CONFIG=" + home, "PATH=/usr/bin:/bin"};
  Json variables = input.value("env", Json::object());
  if (!variables.contains("TZ")) variables["TZ"] = "UTC";
  for (const auto& [name, value] : variables.items()) options.env.push_back(StrCat(name, "=", value.get<std::string>()));
  options.cwd = work;
  std::string stdin_bytes = Base64Decode(input.value("stdin_base64", "")).value_or("");
  BK_TRY(os::Output output, os::Run(CancelToken::Never(), options, stdin_bytes));
  return Outcome{std::move(output), daemon.Seen(), daemon.ref(), daemon.session(), work};
}

// Ids that the client chose become the names that cases use; unordered lists are sorted.
Json Named(const Outcome& outcome, const std::string& key) {
  std::string text = outcome.seen.value(key, Json()).dump(-1, ' ', false, Json::error_handler_t::replace);
  text = Replace(text, outcome.ref, "$REF");
  Json json = Json::parse(Replace(text, outcome.session, "$SESSION"));
  if (key == "session_headers") std::sort(json["x-docker-expose-session-grpc-method"].begin(), json["x-docker-expose-session-grpc-method"].end());
  return json;
}

absl::Status CheckFiles(const Outcome& outcome, const Json& files) {
  for (const auto& [name, want] : files.items()) {
    auto got = os::ReadFile(outcome.directory + "/" + name);
    if (want.is_null()) {
      if (got.ok()) return Internal("file ", name, " should not be there");
      continue;
    }
    if (!got.ok()) return Annotate(got.status(), "file");
    BK_RETURN_IF_ERROR(ExpectText("file " + name, Replace(*got, outcome.ref, "$REF"), want.get<std::string>()));
  }
  return absl::OkStatus();
}

Json* FlagsFiles() {
  static Json files = Json::object();
  return &files;
}

absl::Status RunCase(const Json& c, const Json& files) {
  const Json& input = c.at("input");
  Json expect = c.at("expect");
  BK_TRY(os::TempDir temp, os::TempDir::Make("golden-cli"));
  BK_TRY(Outcome outcome, RunBuildctl(input, files, temp));
  BK_RETURN_IF_ERROR(ExpectPattern("stderr", outcome.output.err, expect.at("stderr").get<std::string>()));
  std::string want_out = Text(expect.at("stdout")), got_out = outcome.output.out;
  if (want_out.starts_with("NAME:")) want_out = HelpWithoutOwn(want_out), got_out = HelpWithoutOwn(got_out);
  BK_RETURN_IF_ERROR(ExpectPattern("stdout", got_out, want_out));
  BK_RETURN_IF_ERROR(ExpectJson("exit code", Json(outcome.output.status.ShellCode()), expect.at("rc")));
  for (const char* key : {"solve", "bridge_solve", "bridge_return", "session_headers"}) {
    if (!expect.contains(key)) continue;
    Json want = expect.at(key);
    if (want.contains("x-docker-expose-session-grpc-method")) {
      auto& methods = want["x-docker-expose-session-grpc-method"];
      methods.erase(std::remove(methods.begin(), methods.end(), kHealthList), methods.end());
    }
    BK_RETURN_IF_ERROR(ExpectJson(key, Named(outcome, key), want));
  }
  if (expect.contains("requests")) BK_RETURN_IF_ERROR(ExpectJson("requests", outcome.seen.value("requests", Json::array()), expect.at("requests")));
  return CheckFiles(outcome, expect.value("files", Json::object()));
}

}  // namespace

bool IsFlagsCase(const Json& line) { return line.value("name", "") != "files"; }
void NoteFlagsFiles(const Json& line) { *FlagsFiles() = line.at("input").at("working_directory"); }
absl::Status RunFlags(const Json& c, const std::string&) { return RunCase(c, *FlagsFiles()); }

// output uses the same working directory; it stands in flags.jsonl.
absl::Status RunOutput(const Json& c, const std::string& dir) {
  static const Json files = [&] {
    std::ifstream in(os::Exists(dir + "/flags.jsonl") ? dir + "/flags.jsonl" : "tests/golden/text/flags.jsonl");
    std::string line;
    return std::getline(in, line) ? Json::parse(line).at("input").at("working_directory") : Json::object();
  }();
  return RunCase(c, files);
}

// The rest of env describes variables in words.
bool IsEnvCase(const Json& line) { return line.at("input").value("kind", "") == "buildctl"; }
absl::Status RunEnv(const Json& c, const std::string&) { return RunCase(c, Json::object()); }

}  // namespace bk::golden::text
