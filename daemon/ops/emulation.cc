#include "daemon/ops/emulation.h"

#include "base/os/file.h"

namespace bk::ops {
namespace {

constexpr uint64_t kEntryLimit = 64 << 10;

// The machine's name in the names of qemu's programs.
std::string_view QemuName(std::string_view architecture) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {{"arm64", "aarch64"}, {"amd64", "x86_64"}, {"386", "i386"}, {"loong64", "loongarch64"}};
  for (const auto& [go, qemu] : kNames) {
    if (architecture == go) return qemu;
  }
  return architecture;
}

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

bool HasEmulator(const Platform& platform, const std::string& binfmt_dir) {
  std::string name = StrCat("qemu-", QemuName(platform.architecture));
  for (const std::string& entry : {name, name + "-binfmt"}) {
    auto text = os::ReadFile(os::JoinPath(binfmt_dir, entry), kEntryLimit);
    if (text.ok() && text->starts_with("enabled")) return true;
  }
  return false;
}

}  // namespace

absl::Status CheckCanRun(const Platform& platform, const Platform& host, const std::string& binfmt_dir) {
  if (RunsNatively(platform, host)) return absl::OkStatus();
  if (platform.os == host.os && platform.architecture != host.architecture && HasEmulator(platform, binfmt_dir)) return absl::OkStatus();
  return FailedPrecondition("no support for running processes with ", FormatPlatform(platform), " platform on ", FormatPlatform(host),
                            " (register an emulator, for example with the Debian packages qemu-user-static and binfmt-support)");
}

}  // namespace bk::ops
