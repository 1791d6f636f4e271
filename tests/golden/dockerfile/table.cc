#include "tests/golden/dockerfile/suites.h"

using namespace bk::golden;

constexpr Suite kSuites[] = {
    {"dockerfile/parse", &dockerfile::RunParse},
    {"dockerfile/shlex", &dockerfile::RunShlex},
    {"dockerfile/dockerignore", &dockerfile::RunIgnore},
    {"dockerfile/instructions", &dockerfile::RunInstructions},
    {"dockerfile/llb", &dockerfile::RunLlb},
    {"dockerfile/llb_errors", &dockerfile::RunLlbErrors},
    {"dockerfile/lint", &dockerfile::RunLint},
    {"dockerfile/subrequests", &dockerfile::RunSubrequests},
};

int main(int argc, char** argv) { return RunArea(argc, argv, "dockerfile", kSuites); }
