// Which repositories are known to hold a blob: noted by pulls and pushes, asked by pushes that want a registry to mount it.
//
// Hints: a wrong one costs a request. Kept in a file over restarts, one "DIGEST HOST REPOSITORY" a line, the newest last;
// what cannot be read or written there is forgotten. Bounded. Thread-safe.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "base/digest.h"
#include "base/guarded.h"

namespace bk::registry {

class BlobPlaces {
 public:
  explicit BlobPlaces(std::string file);
  void Note(const Digest& digest, const std::string& host, const std::string& repository);
  bool Holds(const Digest& digest, const std::string& host, const std::string& repository) const;
  // The repository of `host` with the blob whose name has most in common with `repository`; "" if none but itself is known.
  std::string Nearest(const Digest& digest, const std::string& host, const std::string& repository) const;

 private:
  using Place = std::tuple<Digest, std::string, std::string>;
  struct State {
    std::set<Place> places;
    std::deque<Place> order;  // oldest first
    size_t lines = 0;         // in the file
  };
  static bool Add(State& state, Place place);

  const std::string file_;
  Guarded<State> state_;
};

}  // namespace bk::registry
