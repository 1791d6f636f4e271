#include "daemon/ops/emulation.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <optional>

#include "base/path.h"

namespace bk::ops {
namespace {

// Level of the x86-64 instruction set that the processor has.
int X86Level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return 4;
  if (__builtin_cpu_supports("x86-64-v3")) return 3;
  if (__builtin_cpu_supports("x86-64-v2")) return 2;
#endif
  return 1;
}

bool RunsNatively(const Platform& platform, const Platform& host) {
  if (platform.architecture == "amd64" && host.architecture == "amd64" && platform.os == host.os) {
    const std::string& v = platform.variant;
    return v.empty() || (v.size() == 2 && v[0] == 'v' && v[1] >= '1' && v[1] - '0' <= X86Level());
  }
  return PlatformMatches(host, platform, true);
}

constexpr size_t kHeadBytes = 256;  // of a "#!" line the kernel reads as much
constexpr int kMaxInterpreters = 4;  // a script's interpreter may be a script (fs/exec.c)

std::string HeadOf(int fd) {
  std::string head(kHeadBytes, '\0');
  ssize_t n = pread(fd, head.data(), head.size(), 0);
  head.resize(n < 0 ? 0 : static_cast<size_t>(n));
  return head;
}

// The machine that an ELF file is for.
std::optional<unsigned> MachineOf(std::string_view head) {
  if (head.size() < EI_NIDENT + 4 || !head.starts_with(ELFMAG)) return std::nullopt;
  auto byte = [&](size_t at) { return static_cast<unsigned>(static_cast<unsigned char>(head[at])); };
  bool big_endian = byte(EI_DATA) == ELFDATA2MSB;
  return big_endian ? byte(18) << 8 | byte(19) : byte(19) << 8 | byte(18);
}

bool RunsHere(unsigned machine) {
  static const std::optional<unsigned> own = [] {
    os::UniqueFd self(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    return self ? MachineOf(HeadOf(self.get())) : std::nullopt;
  }();
  return own && (machine == *own || (*own == EM_X86_64 && machine == EM_386));
}

std::string PathOf(const std::vector<std::string>& env) {
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& entry : env) {
    if (entry.starts_with("PATH=")) path = entry.substr(5);
  }
  return path;
}

absl::StatusOr<os::UniqueFd> OpenProgram(const os::RootDir& root, const std::string& path) {
  BK_TRY(struct stat stat, root.Stat(path));
  if (!S_ISREG(stat.st_mode) || (stat.st_mode & 0111) == 0) return NotFound(path, " is no program");
  return root.OpenAt(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

absl::StatusOr<os::UniqueFd> FindProgram(const os::RootDir& root, const Program& program) {
  std::string cwd = JoinPath("/", program.cwd);
  auto at = [&](const std::string& path) { return IsAbsolutePath(path) ? path : JoinPath(cwd, path); };
  if (program.name.find('/') != std::string::npos) return OpenProgram(root, at(program.name));
  std::string path = PathOf(program.env);
  for (std::string_view rest = path;;) {
    size_t colon = rest.find(':');
    auto found = OpenProgram(root, JoinPath(at(std::string(rest.substr(0, colon))), program.name));
    if (found.ok() || colon == std::string_view::npos) return found;
    rest.remove_prefix(colon + 1);
  }
}

}  // namespace

bool IsForThisMachine(const os::RootDir& root, const Program& program) {
  auto file = FindProgram(root, program);
  for (int depth = 0; file.ok() && depth <= kMaxInterpreters; depth++) {
    std::string head = HeadOf(file->get());
    if (auto machine = MachineOf(head)) return RunsHere(*machine);
    if (!head.starts_with("#!")) return false;
    size_t begin = head.find_first_not_of(" \t", 2);
    if (begin == std::string::npos) return false;
    file = OpenProgram(root, head.substr(begin, head.find_first_of(" \t\n", begin) - begin));
  }
  return false;
}

absl::Status CheckCanRun(const Platform& platform, const Platform& host, const std::function<bool(std::string_view)>& emulated) {
  if (RunsNatively(platform, host)) return absl::OkStatus();
  if (platform.os == host.os && platform.architecture != host.architecture && emulated(platform.architecture)) return absl::OkStatus();
  return FailedPrecondition("no support for running processes with ", FormatPlatform(platform), " platform on ", FormatPlatform(host),
                            " (register an emulator, for example with the Debian packages qemu-user-static and binfmt-support)");
}

}  // namespace bk::ops
