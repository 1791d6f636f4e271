#include "tests/golden/keys/suites.h"

using namespace bk::golden;

constexpr Suite kSuites[] = {
    {"keys/contenthash", &keys::RunContentHash},
};

int main(int argc, char** argv) { return RunArea(argc, argv, "keys", kSuites); }
