#include "tests/golden/text/suites.h"

using namespace bk::golden;

constexpr Suite kSuites[] = {
    {"text/errors", &text::RunErrors},
    {"text/reference", &text::RunReference},
    {"text/platform", &text::RunPlatform},
    {"text/flagparse", &text::RunFlagParse},
    {"text/flags", &text::RunFlags, &text::IsFlagsCase, &text::NoteFlagsFiles},
    {"text/output", &text::RunOutput},
    {"text/template", &text::RunOutput},
    {"text/env", &text::RunEnv, &text::IsEnvCase},
    {"text/giturl", &text::RunGitUrl},
    {"text/httpurl", &text::RunHttpUrl},
    {"text/filters", &text::RunFilters, &text::IsFiltersCase, &text::NoteFilterObjects},
    {"text/pattern", &text::RunPattern, &text::IsPatternCase, &text::NotePatternTree},
    {"text/apierrors", &text::RunApiErrors},
    {"text/buildfail", &text::RunBuildFail},
    {"text/units", &text::RunUnits},
    {"text/progress/scenarios", &text::RunProgress},
    {"text/progress/captured", &text::RunProgress},
    {"text/progress/env", &text::RunProgress},
};

int main(int argc, char** argv) { return RunArea(argc, argv, "text", kSuites); }
