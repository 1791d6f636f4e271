// rootlesskit: runs a command as root of a user namespace, for users who are not root. See docs/rootless.md.
//
// The same program is three stages: the parent (what the user started), the child (in the namespaces) and, for sockets of
// systemd only, the step that becomes the command.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "rootlesskit/child/child.h"
#include "rootlesskit/child/command.h"
#include "rootlesskit/stage/options.h"
#include "rootlesskit/parent/parent.h"
#include "rootlesskit/stage/protocol.h"
#include "rootlesskit/stage/report.h"

namespace bk::rootlesskit {
namespace {

void Print(const std::string& text) { std::fputs(text.c_str(), stdout); }

// A caller may have closed 0, 1 or 2; no descriptor of ours may come to stand there.
void HoldStandardDescriptors() {
  int fd;
  while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO) continue;
  if (fd >= 0) close(fd);
}

absl::Status PrintVersionPart(const std::string& part) {
  std::string_view rest = kVersion;
  for (std::string_view name : {"major", "minor", "patch"}) {
    std::string_view number = rest.substr(0, rest.find('.'));
    if (name == part) {
      Print(StrCat(number, "\n"));
      return absl::OkStatus();
    }
    rest.remove_prefix(std::min(number.size() + 1, rest.size()));
  }
  return InvalidArgument("expected --print-semver=(major|minor|patch), got ", Quote(part));
}

absl::StatusOr<int> Run(const std::vector<std::string>& words, char** argv) {
  auto options = ParseOptions(words);
  if (!options.ok()) {
    Print(StrCat("Incorrect Usage: ", Message(options.status()), "\n\n", HelpText()));
    return options.status();
  }
  if (options->debug) log::Configure(log::Level::kDebug, log::Format::kText);
  if (getenv(kActivateEnv) != nullptr) return ActivateCommand(options->command);
  if (IsChild()) return RunChild(*options, argv);
  if (options->help) {
    Print(HelpText());
    return 0;
  }
  if (options->version) {
    Print(StrCat("rootlesskit version ", kVersion, "\n"));
    return 0;
  }
  if (!options->print_semver.empty()) {
    BK_RETURN_IF_ERROR(PrintVersionPart(options->print_semver));
    return 0;
  }
  return RunParent(*options, words);
}

}  // namespace
}  // namespace bk::rootlesskit

int main(int argc, char** argv) {
  using namespace bk::rootlesskit;
  HoldStandardDescriptors();
  SpeakAs(IsChild() ? "child " : "parent");
  auto code = Run(std::vector<std::string>(argv + 1, argv + argc), argv);
  if (code.ok()) return *code;
  ReportError(bk::Message(code.status()));
  return ExitCodeOf(code.status());
}
