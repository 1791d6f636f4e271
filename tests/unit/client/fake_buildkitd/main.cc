// Stands for buildkitd in tests of --daemonless: listens where it is told, writes a line to ROOT/starts and one a build to ROOT/builds,
// ends on SIGTERM. Builds last as long as ROOT/hold exists. With --fail it ends at once.
#include <signal.h>

#include <cstdio>
#include <fstream>

#include "tests/golden/text/fake_daemon.h"

int main(int argc, char** argv) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::string socket, root;
  for (int i = 1; i < argc; i++) {
    std::string arg = argv[i];
    if (arg == "--fail") {
      std::fprintf(stderr, "fake_buildkitd: told to fail\n");
      return 3;
    }
    if (i + 1 == argc) continue;
    if (arg == "--addr") socket = std::string(argv[i + 1]).substr(sizeof "unix://" - 1);
    if (arg == "--root") root = argv[i + 1];
  }
  std::ofstream(root + "/starts", std::ios::app) << "start\n";
  std::remove(socket.c_str());
  bk::golden::text::FakeDaemon daemon(socket, {{"hold_file", root + "/hold"}, {"builds_file", root + "/builds"}});
  int number = 0;
  sigwait(&set, &number);
  return 0;
}
