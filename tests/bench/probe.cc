// What the benchmark's script is too slow for: the time from exec to the first answer, and large definitions.
//
// usage: bench_probe first-answer SOCKET COMMAND…   starts the daemon, prints the milliseconds until ListWorkers was answered, and the pid
//        bench_probe chain COUNT                    writes an LLB definition of COUNT file operations, each on the one before
//        bench_probe loops COUNT SECONDS COMMAND…   COUNT loops of the command at the same time, no new one after SECONDS; prints the milliseconds of each
//        bench_probe convert COUNT                  prints the milliseconds, of the best of 20 times, that a Dockerfile of COUNT instructions takes to become LLB
#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/os/unique_fd.h"
#include "control/control.grpc.pb.h"
#include "daemon/frontend/dockerfile/frontend.h"
#include "proto/llb/state.h"
#include "proto/wire/grpc_setup.h"
#include "tests/unit/daemon/frontend/dockerfile/file_bridge.h"

extern char** environ;

namespace {

double MillisecondsSince(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

bool Listens(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  bk::os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd && connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

int FirstAnswer(const std::string& socket_path, char** command) {
  bk::wire::HoldGrpc();
  auto begin = std::chrono::steady_clock::now();
  auto elapsed_ms = [&] { return MillisecondsSince(begin); };
  pid_t pid = 0;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, 2, 1);  // our own output is read to its end
  if (posix_spawn(&pid, command[0], &actions, nullptr, command, environ) != 0) return std::perror(command[0]), 1;
  while (!Listens(socket_path)) {
    if (elapsed_ms() > 20'000) return std::fprintf(stderr, "%s does not listen\n", command[0]), 1;
    usleep(300);
  }
  auto channel = grpc::CreateChannel("unix://" + socket_path, grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  moby::buildkit::v1::ListWorkersResponse response;
  grpc::Status status = moby::buildkit::v1::Control::NewStub(channel)->ListWorkers(&context, {}, &response);
  double total = elapsed_ms();
  if (!status.ok() || response.record_size() == 0) return std::fprintf(stderr, "no workers: %s\n", status.error_message().c_str()), 1;
  std::printf("%.2f %d\n", total, pid);
  return 0;
}

// Runs the command once, its output into `log`, which is emptied before. False: it could not be started or failed.
bool RunOnce(char** command, int log) {
  if (ftruncate(log, 0) != 0 || lseek(log, 0, SEEK_SET) != 0) return false;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, log, 1);
  posix_spawn_file_actions_adddup2(&actions, log, 2);
  pid_t pid = 0;
  int error = posix_spawn(&pid, command[0], &actions, nullptr, command, environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = -1;
  return error == 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int Loops(int count, double seconds, char** command) {
  auto begin = std::chrono::steady_clock::now();
  std::vector<std::vector<double>> times(static_cast<size_t>(count));  // ms; empty: the loop failed
  std::vector<std::thread> loops;
  for (auto& own : times) {
    loops.emplace_back([&own, begin, seconds, command] {
      bk::os::UniqueFd log(memfd_create("log", MFD_CLOEXEC));
      while (MillisecondsSince(begin) < seconds * 1000) {
        auto start = std::chrono::steady_clock::now();
        if (RunOnce(command, log.get())) {
          own.push_back(MillisecondsSince(start));
          continue;
        }
        char text[2000];
        ssize_t size = pread(log.get(), text, sizeof text, 0);
        std::fprintf(stderr, "%s failed: %.*s\n", command[0], static_cast<int>(std::max<ssize_t>(size, 0)), text);
        return own.clear();
      }
    });
  }
  for (auto& loop : loops) loop.join();
  for (const auto& own : times) {
    if (own.empty()) return 1;
    for (double ms : own) std::printf("%.2f\n", ms);
  }
  return 0;
}

// Each tree has one file of its own and the one file of the tree before, so that no tree is deep.
int Chain(int count) {
  bk::llb::Graph graph;
  bk::llb::State state = bk::llb::State::Scratch(graph);
  for (int i = 0; i < count; ++i) {
    std::vector<bk::llb::FileStep> steps;
    steps.push_back(bk::llb::MakeFileStep("/own", 0644, std::to_string(i)));
    if (i > 0) {
      pb::FileActionCopy copy;
      copy.set_src("/own");
      copy.set_dest("/before");
      steps.push_back(bk::llb::CopyStep(state, copy, {}));
    }
    state = bk::llb::State::Scratch(graph).File(std::move(steps), {});
  }
  auto definition = graph.Marshal(state.output(), bk::HostPlatform());
  if (!definition.ok()) return std::fprintf(stderr, "%s\n", std::string(definition.status().message()).c_str()), 1;
  std::string bytes = definition->SerializeAsString();
  return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() ? 0 : 1;
}

// All kinds of instructions in turn, in stages that copy from each other.
std::string LargeDockerfile(int count) {
  static constexpr const char* kLines[] = {"ARG A%d=v%d", "ENV E%d=$A%d/x", "RUN --mount=type=cache,target=/c make step-%d -j \"$E%d\"", "COPY --chown=1:1 src/%d /app/%d", "LABEL l%d=\"${E%d:-none}\"",
                                           "WORKDIR /w/%d/%d", "RUN echo %d && \\\n    echo %d", "EXPOSE %d/tcp %d", "USER u%d:g%d"};
  std::string text;
  int stage = 0;
  for (int i = 0; i < count; ++i) {
    if (i % 50 == 0) {
      text += "FROM base AS s" + std::to_string(stage) + "\n";
      if (stage > 0) text += "COPY --from=s" + std::to_string(stage - 1) + " /app /app\n", ++i;
      ++stage;
      continue;
    }
    char line[256];
    std::snprintf(line, sizeof line, kLines[i % std::size(kLines)], i, i);
    text += line;
    text += '\n';
  }
  return text;
}

int Convert(int count) {
  constexpr int kTimes = 20;
  double best_ms = 1e9;
  std::string text = LargeDockerfile(count);
  for (int i = 0; i < kTimes; ++i) {
    bk::FileBridge bridge(text);
    bk::dockerfile::DockerfileFrontend frontend([](std::string_view) { return true; });
    auto begin = std::chrono::steady_clock::now();
    auto result = frontend.Solve(bk::CancelToken::Never(), bridge, {}, {});
    best_ms = std::min(best_ms, MillisecondsSince(begin));
    if (!result.ok()) return std::fprintf(stderr, "%s\n", std::string(result.status().message()).c_str()), 1;
  }
  std::printf("%.2f\n", best_ms);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "first-answer" && argc > 3) return FirstAnswer(argv[2], argv + 3);
  if (verb == "chain" && argc == 3) return Chain(std::atoi(argv[2]));
  if (verb == "loops" && argc > 4) return Loops(std::atoi(argv[2]), std::atof(argv[3]), argv + 4);
  if (verb == "convert" && argc == 3) return Convert(std::atoi(argv[2]));
  std::fprintf(stderr, "usage: bench_probe first-answer SOCKET COMMAND… | chain COUNT | loops COUNT SECONDS COMMAND… | convert COUNT\n");
  return 2;
}
