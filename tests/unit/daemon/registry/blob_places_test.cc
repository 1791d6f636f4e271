#include "daemon/registry/blob_places.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/os/file.h"

namespace bk::registry {
namespace {

const Digest kOne = DigestOf("one"), kTwo = DigestOf("two");

TEST_CASE("the nearest other repository of the same host is named") {  // EXP-031
  BlobPlaces places("");
  CHECK(places.Nearest(kOne, "a.test", "team/app") == "");
  places.Note(kOne, "a.test", "team/app");
  CHECK(places.Nearest(kOne, "a.test", "team/app") == "");
  CHECK(places.Holds(kOne, "a.test", "team/app"));
  places.Note(kOne, "a.test", "library/base");
  CHECK(places.Nearest(kOne, "a.test", "team/app") == "library/base");
  places.Note(kOne, "a.test", "team/base");
  CHECK(places.Nearest(kOne, "a.test", "team/app") == "team/base");
  CHECK(places.Nearest(kOne, "b.test", "team/app") == "");
  CHECK(places.Nearest(kTwo, "a.test", "team/app") == "");
}

TEST_CASE("places are known after a restart, whatever else stands in the file") {
  auto dir = *os::TempDir::Make("places-");
  std::string file = dir.path() + "/places";
  {
    BlobPlaces places(file);
    places.Note(kOne, "a.test:5000", "x");
    places.Note(kOne, "a.test:5000", "x");
    places.Note(kTwo, "a.test:5000", "y/z");
    places.Note(kTwo, "a.test:5000", "bad\nname");
  }
  std::string text = *os::ReadFile(file);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  REQUIRE(os::WriteFile(file, text + "garbage\nsha256:12 a b\n\n" + kTwo.str(), 0600).ok());
  BlobPlaces again(file);
  CHECK(again.Nearest(kOne, "a.test:5000", "other") == "x");
  CHECK(again.Nearest(kTwo, "a.test:5000", "other") == "y/z");
}

TEST_CASE("the oldest places go when there are too many") {
  auto dir = *os::TempDir::Make("places-");
  std::string file = dir.path() + "/places";
  BlobPlaces places(file);
  std::vector<Digest> digests;
  for (int i = 0; i < 40'000; i++) digests.push_back(DigestOf(std::to_string(i)));
  for (const Digest& digest : digests) places.Note(digest, "a.test", "x");
  CHECK_FALSE(places.Holds(digests.front(), "a.test", "x"));
  CHECK(places.Holds(digests.back(), "a.test", "x"));
  BlobPlaces again(file);
  CHECK(again.Holds(digests.back(), "a.test", "x"));
  CHECK(again.Holds(digests[30'000], "a.test", "x"));
}

TEST_CASE("a file that cannot be written costs nothing but the memory of it") {
  BlobPlaces places("/nonexistent/dir/places");
  places.Note(kOne, "a.test", "x");
  CHECK(places.Holds(kOne, "a.test", "x"));
}

}  // namespace
}  // namespace bk::registry
