// buildctl: the command-line client.
#include "client/cli/app.h"

int main(int argc, char** argv) { return bk::client::RunBuildctl({argv + 1, argv + argc}); }
