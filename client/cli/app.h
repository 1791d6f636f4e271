// The program as a whole: reads the command line, runs one verb, prints its error, says the exit code.
#pragma once

#include <string>
#include <vector>

namespace bk::client {

// `args` without the program's name. Blocks; SIGINT and SIGTERM cancel the verb, a third one ends the process.
int RunBuildctl(const std::vector<std::string>& args);

}  // namespace bk::client
