#include "daemon/source/http/date.h"

#include <doctest/doctest.h>

namespace bk::source::http {
namespace {

TEST_CASE("the three forms of a date in a header are one time") {
  for (const char* text : {"Tue, 15 Nov 1994 12:45:26 GMT", "Tuesday, 15-Nov-94 12:45:26 GMT", "Tue Nov 15 12:45:26 1994"}) {
    CAPTURE(text);
    CHECK(ParseDate(text) == 784903526);
  }
  CHECK(ParseDate("Sun Nov  6 08:49:37 1994") == 784111777);
  CHECK(ParseDate("Friday, 01-Jan-68 00:00:00 GMT") == 3092601600);
  CHECK(FormatDate(784903526) == "Tue, 15 Nov 1994 12:45:26 GMT");
  CHECK(FormatDate(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST_CASE("other texts are no dates") {
  for (const char* text : {"", "yesterday", "Tue, 15 Nov 1994 12:45:26", "Tue, 15 Nov 1994 12:45:26 GMT ", "Tue, 31 Feb 1994 12:45:26 GMT", "Tue, 15 Nov 1994 25:45:26 GMT",
                           "Tue, 5 Nov 1994 12:45:26 GMT", "784903526", "Xxx, 15 Nov 1994 12:45:26 GMT"}) {
    CAPTURE(text);
    CHECK_FALSE(ParseDate(text).has_value());
  }
}

}  // namespace
}  // namespace bk::source::http
