#include "tests/golden/wire/suites.h"

using namespace bk::golden;

constexpr Suite kSuites[] = {
    {"wire/fsutil", &wire::RunFsutil},
};

int main(int argc, char** argv) { return RunArea(argc, argv, "wire", kSuites); }
