#include "tests/golden/text/suites.h"

using namespace bk::golden;

constexpr Suite kSuites[] = {
    {"text/errors", &text::RunErrors},
    {"text/reference", &text::RunReference},
    {"text/platform", &text::RunPlatform},
};

int main(int argc, char** argv) { return RunArea(argc, argv, "text", kSuites); }
