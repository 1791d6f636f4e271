// The default profile: moby's rules (github.com/moby/profiles, Apache-2.0) in the order that its specs show.
#include "sandbox/oci/seccomp_profile.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>

namespace bk::oci {
namespace {

constexpr SeccompArch kArches[] = {
    {"amd64", {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
    {"arm64", {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", nullptr}},
    {"riscv64", {"SCMP_ARCH_RISCV64", nullptr, nullptr}},
    {"s390x", {"SCMP_ARCH_S390X", "SCMP_ARCH_S390", nullptr}},
    {"loong64", {"SCMP_ARCH_LOONGARCH64", nullptr, nullptr}},
    {"ppc64le", {nullptr, nullptr, nullptr}},
};

constexpr const char* kAlways[] = {
    "accept", "accept4", "access", "adjtimex", "alarm", "bind", "brk", "cachestat", "capget", "capset", "chdir", "chmod", "chown", "chown32",
    "clock_adjtime", "clock_adjtime64", "clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
    "clock_nanosleep_time64", "close", "close_range", "connect", "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "execve", "execveat", "exit",
    "exit_group", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "fallocate", "fanotify_mark", "fchdir", "fchmod", "fchmodat", "fchmodat2",
    "fchown", "fchown32", "fchownat", "fcntl", "fcntl64", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr",
    "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", "futex", "futex_requeue", "futex_time64",
    "futex_wait", "futex_waitv", "futex_wake", "futimesat", "getcpu", "getcwd", "getdents", "getdents64", "getegid", "getegid32", "geteuid",
    "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getitimer", "getpeername", "getpgid", "getpgrp", "getpid", "getppid",
    "getpriority", "getrandom", "getresgid", "getresgid32", "getresuid", "getresuid32", "getrlimit", "get_robust_list", "getrusage", "getsid",
    "getsockname", "getsockopt", "get_thread_area", "gettid", "gettimeofday", "getuid", "getuid32", "getxattr", "getxattrat", "inotify_add_watch",
    "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel", "ioctl", "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64",
    "ioprio_get", "ioprio_set", "io_setup", "io_submit", "ipc", "kill", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self",
    "lchown", "lchown32", "lgetxattr", "link", "linkat", "listen", "listmount", "listxattr", "listxattrat", "llistxattr", "_llseek", "lremovexattr",
    "lseek", "lsetxattr", "lstat", "lstat64", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "memfd_secret", "mincore", "mkdir",
    "mkdirat", "mknod", "mknodat", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect", "mq_getsetattr", "mq_notify", "mq_open",
    "mq_timedreceive", "mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "mremap", "mseal", "msgctl", "msgget", "msgrcv",
    "msgsnd", "msync", "munlock", "munlockall", "munmap", "name_to_handle_at", "nanosleep", "newfstatat", "_newselect", "open", "openat", "openat2",
    "pause", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "poll", "ppoll", "ppoll_time64",
    "prctl", "pread64", "preadv", "preadv2", "prlimit64", "process_mrelease", "pselect6", "pselect6_time64", "pwrite64", "pwritev", "pwritev2",
    "read", "readahead", "readlink", "readlinkat", "readv", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "remap_file_pages",
    "removexattr", "removexattrat", "rename", "renameat", "renameat2", "restart_syscall", "riscv_hwprobe", "rmdir", "rseq", "rt_sigaction",
    "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo", "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getscheduler", "sched_rr_get_interval", "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam",
    "sched_setscheduler", "sched_yield", "seccomp", "select", "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "send", "sendfile",
    "sendfile64", "sendmmsg", "sendmsg", "sendto", "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
    "setgroups32", "setitimer", "setpgid", "setpriority", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid", "setresuid32",
    "setreuid", "setreuid32", "setrlimit", "set_robust_list", "setsid", "setsockopt", "set_thread_area", "set_tid_address", "setuid", "setuid32",
    "setxattr", "setxattrat", "shmat", "shmctl", "shmdt", "shmget", "shutdown", "sigaltstack", "signalfd", "signalfd4", "sigprocmask", "sigreturn",
    "socketcall", "socketpair", "splice", "stat", "stat64", "statfs", "statfs64", "statmount", "statx", "symlink", "symlinkat", "sync",
    "sync_file_range", "syncfs", "sysinfo", "tee", "tgkill", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
    "timer_gettime64", "timer_settime", "timer_settime64", "timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime",
    "timerfd_settime64", "times", "tkill", "truncate", "truncate64", "ugetrlimit", "umask", "uname", "unlink", "unlinkat", "uretprobe", "utime",
    "utimensat", "utimensat_time64", "utimes", "vfork", "vmsplice", "wait4", "waitid", "waitpid", "write", "writev",
};
constexpr const char* kProcessVmReadvGroup[] = {
    "process_vm_readv", "process_vm_writev", "ptrace",
};
constexpr const char* kSyncFileRange2Group[] = {
    "sync_file_range2", "swapcontext",
};
constexpr const char* kArmFadvise6464Group[] = {
    "arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2", "breakpoint", "cacheflush", "set_tls",
};
constexpr const char* kS390PciMmioReadGroup[] = {
    "s390_pci_mmio_read", "s390_pci_mmio_write", "s390_runtime_instr",
};
constexpr const char* kBpfGroup[] = {
    "bpf", "clone", "clone3", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "lsm_get_self_attr", "lsm_list_modules",
    "lsm_set_self_attr", "mount", "mount_setattr", "move_mount", "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname",
    "sethostname", "setns", "syslog", "umount", "umount2", "unshare",
};
constexpr const char* kDeleteModuleGroup[] = {
    "delete_module", "init_module", "finit_module",
};
constexpr const char* kKcmpGroup[] = {
    "kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace",
};
constexpr const char* kIoplGroup[] = {
    "iopl", "ioperm",
};
constexpr const char* kSettimeofdayGroup[] = {
    "settimeofday", "stime", "clock_settime", "clock_settime64",
};
constexpr const char* kGetMempolicyGroup[] = {
    "get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node",
};

constexpr SeccompRule kRules[] = {
    {.names = kAlways},
    {.names = kProcessVmReadvGroup, .kernel_major = 4, .kernel_minor = 8},
    {.name = "socket", .argument = 0, .comparison = "SCMP_CMP_LT", .value = 38u},
    {.name = "socket", .argument = 0, .comparison = "SCMP_CMP_EQ", .value = 39u},
    {.name = "socket", .argument = 0, .comparison = "SCMP_CMP_GT", .value = 40u},
    {.name = "personality", .argument = 0, .comparison = "SCMP_CMP_EQ", .value = 0u},
    {.name = "personality", .argument = 0, .comparison = "SCMP_CMP_EQ", .value = 8u},
    {.name = "personality", .argument = 0, .comparison = "SCMP_CMP_EQ", .value = 131072u},
    {.name = "personality", .argument = 0, .comparison = "SCMP_CMP_EQ", .value = 131080u},
    {.name = "personality", .argument = 0, .comparison = "SCMP_CMP_EQ", .value = 4294967295u},
    {.names = kSyncFileRange2Group, .arches = "ppc64le"},
    {.names = kArmFadvise6464Group, .arches = "arm arm64"},
    {.name = "arch_prctl", .arches = "amd64 x32"},
    {.name = "modify_ldt", .arches = "amd64 x32 x86"},
    {.names = kS390PciMmioReadGroup, .arches = "s390 s390x"},
    {.name = "riscv_flush_icache", .arches = "riscv64"},
    {.name = "open_by_handle_at", .with_capability = "CAP_DAC_READ_SEARCH"},
    {.names = kBpfGroup, .with_capability = "CAP_SYS_ADMIN"},
    {.name = "clone", .argument = 0, .comparison = "SCMP_CMP_MASKED_EQ", .value = 2114060288u, .without_capability = "CAP_SYS_ADMIN", .except_arches = "s390 s390x"},
    {.name = "clone", .argument = 1, .comparison = "SCMP_CMP_MASKED_EQ", .value = 2114060288u, .without_capability = "CAP_SYS_ADMIN", .arches = "s390 s390x"},
    {.name = "clone3", .error_number = 38, .without_capability = "CAP_SYS_ADMIN"},
    {.name = "reboot", .with_capability = "CAP_SYS_BOOT"},
    {.name = "chroot", .with_capability = "CAP_SYS_CHROOT"},
    {.names = kDeleteModuleGroup, .with_capability = "CAP_SYS_MODULE"},
    {.name = "acct", .with_capability = "CAP_SYS_PACCT"},
    {.names = kKcmpGroup, .with_capability = "CAP_SYS_PTRACE"},
    {.names = kIoplGroup, .with_capability = "CAP_SYS_RAWIO"},
    {.names = kSettimeofdayGroup, .with_capability = "CAP_SYS_TIME"},
    {.name = "vhangup", .with_capability = "CAP_SYS_TTY_CONFIG"},
    {.names = kGetMempolicyGroup, .with_capability = "CAP_SYS_NICE"},
    {.name = "syslog", .with_capability = "CAP_SYSLOG"},
    {.name = "bpf", .with_capability = "CAP_BPF"},
    {.name = "perf_event_open", .with_capability = "CAP_PERFMON"},
};

bool ListHas(const char* list, std::string_view word) {
  std::string_view rest = list;
  while (!rest.empty()) {
    size_t end = std::min(rest.find(' '), rest.size());
    if (rest.substr(0, end) == word) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

}  // namespace

std::span<const SeccompRule> SeccompRules() { return kRules; }

bool Applies(const SeccompRule& rule, const SeccompContext& context) {
  auto has = [&](const char* name) { return std::find(context.bounding.begin(), context.bounding.end(), name) != context.bounding.end(); };
  if (rule.without_capability != nullptr && has(rule.without_capability)) return false;
  if (rule.with_capability != nullptr && !has(rule.with_capability)) return false;
  if (rule.except_arches != nullptr && ListHas(rule.except_arches, context.arch)) return false;
  if (rule.arches != nullptr && !ListHas(rule.arches, context.arch)) return false;
  return context.kernel_major > rule.kernel_major || (context.kernel_major == rule.kernel_major && context.kernel_minor >= rule.kernel_minor);
}

SeccompContext HostSeccompContext(std::vector<std::string> bounding) {
  SeccompContext context;
  context.bounding = std::move(bounding);
  utsname host;
  if (uname(&host) != 0) return context;
  std::sscanf(host.release, "%d.%d", &context.kernel_major, &context.kernel_minor);
  std::string_view machine = host.machine;
  context.arch = machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine == "loongarch64" ? "loong64" : std::string(machine);
  return context;
}

const SeccompArch* FindSeccompArch(std::string_view arch) {
  for (const SeccompArch& row : kArches) {
    if (arch == row.arch) return &row;
  }
  return nullptr;
}

}  // namespace bk::oci
