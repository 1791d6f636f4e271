#include <doctest/doctest.h>

#include <vector>

#include "base/source_snippet.h"
#include "base/suggest.h"
#include "base/tab_writer.h"

using namespace bk;

TEST_CASE("columns are as wide as their longest cell, rounded up to tabs") {
  TabWriter table;
  table.Write("a\tb\nlonger than a tab\tb\n\nx\ty\n");
  CHECK(table.Flush() == "a\t\t\tb\nlonger than a tab\tb\n\nx\ty\n");
}

TEST_CASE("columns of spaces count code points, not bytes") {
  TabWriter table({0, 0, 1, ' '});
  table.Write("é:\tx\nabc:\ty\n");
  CHECK(table.Flush() == "é:   x\nabc: y\n");
}

TEST_CASE("columns begin anew behind a form feed, a vertical tab ends a cell as a tab does") {
  TabWriter table({0, 0, 1, ' '});
  table.Write("long\vx\n\fa\ty\n");
  CHECK(table.Flush() == "long x\n\na y\n");
}

TEST_CASE("a snippet marks the lines in question and shows their neighbours") {
  std::vector<LineRange> second = {{2, 2}};
  CHECK(RenderSnippet("f", "a\nb\nc", second) == "f:2\n--------------------\n   1 |     a\n   2 | >>> b\n   3 |     c\n--------------------\n");
  std::vector<LineRange> apart = {{4, 4}, {1, 1}};
  CHECK(RenderSnippet("f", "a\nb\nc\nd\n", apart) ==
        "f:1\n--------------------\n   1 | >>> a\n   2 |     b\n   3 |     c\n   4 | >>> d\n   5 |     \n--------------------\n");
}

TEST_CASE("a snippet of lines that are not there is empty") {
  std::vector<LineRange> far = {{9, 9}}, zero = {{0, 0}};
  CHECK(RenderSnippet("f", "a", far).empty());
  CHECK(RenderSnippet("f", "a", zero).empty());
  CHECK(RenderSnippet("f", "a", {}).empty());
}

TEST_CASE("the nearest word counts insertions, deletions and replacements, less than three") {
  std::vector<std::string> known = {"abcdef"};
  for (const char* near : {"bcdef", "abcde", "xabcdef", "abxdef", "cdef", "xxabcdef", "abcdexx", "axcdxf"}) CHECK(Suggest(near, known, true) == "abcdef");
  for (const char* far : {"def", "xxxabcdef", "xxxdef", "abc", "fedcba"}) CHECK(Suggest(far, known, true) == "");
  std::vector<std::string> large = {std::string(60000, 'a') + "bc"};
  CHECK(Suggest(std::string(60000, 'a'), large, true) == large[0]);
}
