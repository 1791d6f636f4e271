#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <csignal>

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // as our programs do: what they start may end without reading
  return doctest::Context(argc, argv).run();
}
