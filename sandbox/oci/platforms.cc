#include "sandbox/oci/platforms.h"

#include <cstdint>

#include "base/os/file.h"
#include "base/os/process.h"

namespace bk::oci {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::chrono::milliseconds kTrialLimit(1000);
constexpr uint64_t kAddress = 0x400000;

struct Machine {
  const char* architecture;
  bool is_64_bit, little_endian;
  uint16_t number;        // e_machine
  uint32_t flags;         // e_flags
  std::string_view code;  // exit(0), in the order of its bytes in memory
};

// In the order of the list.
constexpr Machine kMachines[] = {
    {"amd64", true, true, 62, 0, "\x31\xff\xb8\x3c\x00\x00\x00\x0f\x05"sv},                                             // xor edi,edi; mov eax,60; syscall
    {"arm64", true, true, 183, 0, "\xa8\x0b\x80\xd2\x00\x00\x80\xd2\x01\x00\x00\xd4"sv},                                // mov x8,93; mov x0,0; svc 0
    {"riscv64", true, true, 243, 0, "\x93\x08\xd0\x05\x13\x05\x00\x00\x73\x00\x00\x00"sv},                              // li a7,93; li a0,0; ecall
    {"ppc64", true, false, 21, 2, "\x38\x00\x00\x01\x38\x60\x00\x00\x44\x00\x00\x02"sv},                                // li r0,1; li r3,0; sc
    {"ppc64le", true, true, 21, 2, "\x01\x00\x00\x38\x00\x00\x60\x38\x02\x00\x00\x44"sv},                               // the same
    {"s390x", true, false, 22, 0, "\xa7\x29\x00\x00\x0a\x01"sv},                                                        // lghi r2,0; svc 1
    {"386", false, true, 3, 0, "\x31\xdb\xb8\x01\x00\x00\x00\xcd\x80"sv},                                               // xor ebx,ebx; mov eax,1; int 128
    {"mips64le", true, true, 8, 0x80000000, "\xc2\x13\x02\x24\x00\x00\x04\x24\x0c\x00\x00\x00"sv},                      // li v0,5058; li a0,0; syscall
    {"mips64", true, false, 8, 0x80000000, "\x24\x02\x13\xc2\x24\x04\x00\x00\x00\x00\x00\x0c"sv},                       // the same
    {"loong64", true, true, 258, 3, "\x0b\x74\x81\x03\x04\x00\x80\x03\x00\x00\x2b\x00"sv},                              // ori a7,zero,93; ori a0,zero,0; syscall 0
    {"arm", false, true, 40, 0x05000000, "\x01\x70\xa0\xe3\x00\x00\xa0\xe3\x00\x00\x00\xef"sv},                         // mov r7,1; mov r0,0; svc 0
};

// ELF's fields, of the machine's byte order and word size.
class Fields {
 public:
  explicit Fields(const Machine& machine) : machine_(machine) {}
  void Raw(std::string_view bytes) { bytes_ += bytes; }
  void Half(uint64_t value) { Number(value, 2); }
  void Word(uint64_t value) { Number(value, 4); }
  void Address(uint64_t value) { Number(value, machine_.is_64_bit ? 8 : 4); }
  std::string Take() { return std::move(bytes_); }

 private:
  void Number(uint64_t value, int size) {
    for (int i = 0; i < size; i++) bytes_ += static_cast<char>(value >> (8 * (machine_.little_endian ? i : size - 1 - i)));
  }
  const Machine& machine_;
  std::string bytes_;
};

// elf(5): a header, one program header that loads the whole file, the code.
std::string ElfOf(const Machine& machine) {
  const uint64_t header = machine.is_64_bit ? 64 : 52, program_header = machine.is_64_bit ? 56 : 32;
  const uint64_t size = header + program_header + machine.code.size();
  constexpr uint32_t kReadAndRun = 5;
  Fields f(machine);
  f.Raw("\x7f" "ELF");
  f.Raw(std::string{static_cast<char>(machine.is_64_bit ? 2 : 1), static_cast<char>(machine.little_endian ? 1 : 2), 1});
  f.Raw(std::string(9, '\0'));
  f.Half(2);  // ET_EXEC
  f.Half(machine.number);
  f.Word(1);
  f.Address(kAddress + header + program_header);
  f.Address(header);
  f.Address(0);
  f.Word(machine.flags);
  for (uint64_t half : {header, program_header, uint64_t{1}, uint64_t{0}, uint64_t{0}, uint64_t{0}}) f.Half(half);
  f.Word(1);  // PT_LOAD
  if (machine.is_64_bit) f.Word(kReadAndRun);
  for (uint64_t address : {uint64_t{0}, kAddress, kAddress, size, size}) f.Address(address);
  if (!machine.is_64_bit) f.Word(kReadAndRun);
  f.Address(0x10000);
  f.Raw(machine.code);
  return f.Take();
}

bool Runs(const Machine& machine, const std::string& dir) {
  if (!os::WriteFile(StrCat(dir, "/", machine.architecture), ElfOf(machine), 0700).ok()) return false;
  os::ProcessOptions options;
  options.argv = {StrCat("/", machine.architecture)};
  options.replace_env = true;
  options.root = dir;
  auto process = os::Process::Start(options);
  if (!process.ok()) return false;  // nobody runs such a program here
  auto status = process->WaitFor(kTrialLimit);
  return status.ok() && status->success();
}

// What this processor knows beyond its architecture's first version (x86-64 psABI, microarchitecture levels).
std::vector<std::string> NativeVariants() {
  std::vector<std::string> variants;
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v2")) variants.emplace_back("v2");
  if (__builtin_cpu_supports("x86-64-v3")) variants.emplace_back("v3");
  if (__builtin_cpu_supports("x86-64-v4")) variants.emplace_back("v4");
#endif
  return variants;
}

Platform Linux(std::string architecture, std::string variant = "") {
  Platform platform;
  platform.os = "linux";
  platform.architecture = std::move(architecture);
  platform.variant = std::move(variant);
  return NormalizePlatform(platform);
}

}  // namespace

std::string LeastProgram(std::string_view architecture) {
  for (const Machine& machine : kMachines) {
    if (architecture == machine.architecture) return ElfOf(machine);
  }
  return "";
}

bool RunsProgramsOf(std::string_view architecture) {
  auto dir = os::TempDir::Make("platforms-");
  if (!dir.ok()) return false;
  for (const Machine& machine : kMachines) {
    if (architecture == machine.architecture) return Runs(machine, dir->path());
  }
  return false;
}

std::vector<Platform> SupportedPlatforms() {
  const Platform host = HostPlatform();
  std::vector<Platform> platforms = {host};
  for (const std::string& variant : NativeVariants()) platforms.push_back(Linux(host.architecture, variant));
  auto dir = os::TempDir::Make("platforms-");
  if (!dir.ok()) return platforms;
  for (const Machine& machine : kMachines) {
    std::string architecture = machine.architecture;
    if (architecture == host.architecture || !Runs(machine, dir->path())) continue;
    platforms.push_back(Linux(architecture));
    if (architecture == "arm") platforms.push_back(Linux("arm", "v6"));
  }
  if (host.architecture == "arm" && host.variant == "v7") platforms.push_back(Linux("arm", "v6"));
  return platforms;
}

}  // namespace bk::oci
