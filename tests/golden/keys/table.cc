#include "tests/golden/keys/suites.h"

using namespace bk::golden;

constexpr Suite kSuites[] = {
    {"keys/cachekeys", &keys::RunCacheKeys},
    {"keys/cachemap", &keys::RunCacheMap, &keys::IsCacheMapCase, &keys::NoteCacheMapTree},
    {"keys/contenthash", &keys::RunContentHash},
    {"keys/schedule", &keys::RunSchedule},
    {"keys/sources", &keys::RunSources, &keys::IsSourceCase, &keys::NoteSourceFixtures},
    {"keys/vertex", &keys::RunVertex},
};

int main(int argc, char** argv) { return RunArea(argc, argv, "keys", kSuites); }
