#include "tests/golden/exec/suites.h"

using namespace bk::golden;

constexpr Suite kSuites[] = {
    {"exec/hosts", &exec::RunHosts},
    {"exec/resolvconf", &exec::RunResolvConf},
    {"exec/rootlesskit", &exec::RunRootlesskit},
    {"exec/users", &exec::RunUsers},
    {"exec/config", &exec::RunConfig},
    {"exec/defaults", &exec::RunDefaults},
    {"exec/spec", &exec::RunSpec},
    {"exec/spec_variants", &exec::RunSpecVariant},
    {"exec/stubs", &exec::RunStubs},
    {"exec/rootless_spec", &exec::RunRootlessSpec},
};

int main(int argc, char** argv) { return RunArea(argc, argv, "exec", kSuites); }
