#include "tests/golden/layers/suites.h"

using namespace bk::golden;

constexpr Suite kSuites[] = {
    {"layers/apply", &layers::RunApply},
    {"layers/compression", &layers::RunCompression},
    {"layers/diff", &layers::RunDiff},
    {"layers/export", &layers::RunExport},
    {"layers/mergediff", &layers::RunMergeDiff},
    {"layers/reproducible", &layers::RunReproducible},
};

int main(int argc, char** argv) { return RunArea(argc, argv, "layers", kSuites); }
