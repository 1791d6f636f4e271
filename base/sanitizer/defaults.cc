// What a program built with a sanitizer does without a variable …SAN_OPTIONS, which overrides it. The runtimes call these functions
// before anything of the program runs; their names are theirs.

extern "C" {

const char* __asan_default_options() { return "detect_leaks=1"; }

const char* __ubsan_default_options() { return "halt_on_error=1:print_stacktrace=1"; }

// Debian's libraries are not built for ThreadSanitizer, so it does not see how their threads keep order: what they copy through
// intercepted functions is passed over. Programs start others while threads run, and those may make threads of their own. The second
// that each process waits at its end for reports of others would make every test of programs a matter of minutes.
const char* __tsan_default_options() {
  return "halt_on_error=1:second_deadlock_stack=1:ignore_noninstrumented_modules=1:die_after_fork=0:atexit_sleep_ms=0";
}

// Reports that name such libraries nevertheless.
const char* __tsan_default_suppressions() {
  return "race:libgrpc.so\n"
         "race:libgrpc++.so\n"
         "race:libgpr.so\n"
         "race:libupb.so\n"
         "race:libprotobuf.so\n"
         "race:libcares.so\n"
         "race:libre2.so\n"
         "race:libssl.so\n"
         "race:libcrypto.so\n"
         "race:libabsl_\n"
         "mutex:libabsl_\n";
}

}  // extern "C"
