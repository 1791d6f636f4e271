// exec/rootlesskit: the real launcher, started as an ordinary user, against what rootlesskit 3.3.0 does.
//
// Where 3.3.0 hangs, 1.1.0's answer counts. Words and exit codes of a set-up that fails are ours: only that it fails, and
// what it leaves of the state directory, is compared.
#include <algorithm>
#include <regex>

#include "tests/golden/exec/rootlesskit_run.h"
#include "tests/golden/exec/suites.h"

namespace bk::golden::exec {
namespace {

Json Expected(const Json& expect) {
  if (expect.contains("both")) return expect["both"];
  if (!expect.contains("3.3.0") || (expect["3.3.0"]["exit"] == "hangs" && expect.contains("1.1.0"))) return expect.at("1.1.0");
  return expect["3.3.0"];
}

bool CommandRan(const Json& expect) {
  if (expect["exit"] == 0 || expect["exit"].is_string()) return true;
  auto lines = expect.value("stderr", Json::array());
  return std::any_of(lines.begin(), lines.end(), [](const Json& line) { return line.get<std::string>().starts_with("[rootlesskit:child ] error: command ["); });
}

std::string ExitText(const os::ExitStatus& exit) { return exit.signal != 0 ? StrCat("signal ", exit.signal) : StrCat(exit.code); }

absl::Status CheckFailure(const LauncherRun& run, const Json& expect) {
  if (run.exit.success() || run.exit.signal != 0) return Internal("must fail, ended with ", ExitText(run.exit));
  bool told = std::any_of(run.err.begin(), run.err.end(), [](const std::string& line) { return line.starts_with("[rootlesskit:") && line.find("] error: ") != line.npos; });
  if (!told) return Internal("fails without a message");
  if (expect.contains("stdout_first_line")) {
    BK_RETURN_IF_ERROR(ExpectText("stdout's first line", run.out.substr(0, run.out.find('\n')), expect["stdout_first_line"].get<std::string>()));
  }
  return absl::OkStatus();
}

// A launcher inside the command that cannot set up: its words and its code are ours as well.
bool SameLine(const std::string& got, const std::string& want) {
  constexpr std::string_view kError = "[rootlesskit:parent] error: ";
  return got == want || (got.starts_with(kError) && want.starts_with(kError) && want.find("error: child exited: ") == want.npos);
}

absl::Status CheckErrors(const std::vector<std::string>& got, const std::vector<std::string>& want) {
  if (std::equal(got.begin(), got.end(), want.begin(), want.end(), SameLine)) return absl::OkStatus();
  return ExpectJson("stderr", Json(got), Json(want));
}

std::string WithGeneralCodes(const std::string& out) {
  static const std::regex kSetupCode("\\brc=10[1-6]\\b");
  return std::regex_replace(out, kSetupCode, "rc=1");
}

absl::Status CheckRun(const LauncherRun& run, const Json& expect) {
  std::string want = expect["exit"].is_string() ? expect["exit"].get<std::string>() : StrCat(expect["exit"].get<int>());
  std::string words;
  for (const std::string& line : run.err) words += line + "\n";
  if (ExitText(run.exit) != want) return Internal("ended with ", ExitText(run.exit), ", want ", want, ": ", words);
  BK_RETURN_IF_ERROR(ExpectText("stdout", WithGeneralCodes(run.out), expect.contains("stdout") ? Text(expect["stdout"]) : ""));
  BK_RETURN_IF_ERROR(CheckErrors(run.err, expect.value("stderr", std::vector<std::string>())));
  return ExpectJson("seen", run.seen, expect.value("seen", Json()));
}

}  // namespace

absl::Status RunRootlesskit(const Json& c, const std::string&) {
  Json expect = Expected(c.at("expect"));
  BK_TRY(LauncherRun run, RunLauncher(c.at("input")));
  BK_RETURN_IF_ERROR(CommandRan(expect) ? CheckRun(run, expect) : CheckFailure(run, expect));
  if (expect.contains("state_dir_after")) BK_RETURN_IF_ERROR(ExpectJson("state directory afterwards", run.state_after, expect["state_dir_after"]));
  if (run.own_state_left) return Internal("something is left in TMPDIR");
  return absl::OkStatus();
}

}  // namespace bk::golden::exec
