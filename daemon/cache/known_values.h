// What names of the outside resolved to in earlier builds (an image's tag, a git ref), for builds that may not ask again.
//
// The last four values a name and the last thousand names are kept. Documents of images that a value stands for are leased
// with it; `prune --all` lets those go. In memory and in the store's database: changes are queued for the writer, a power
// cut may take the last ones. Thread-safe.
#pragma once

#include <list>
#include <map>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "snapshotter/lease/lease.h"

namespace bk::cache {

class KnownValues {
 public:
  static constexpr size_t kMaxNames = 1000, kMaxValues = 4;
  KnownValues(meta::Database* db, lease::Leases* leases) : db_(db), leases_(leases) {}
  absl::Status Load();

  // Newest first.
  std::vector<std::string> Find(const std::string& name) const;
  // `value` is the newest one from now on.
  void Remember(const std::string& name, const std::string& value);
  // As Remember; the blobs stay in the content store as long as the value is known.
  absl::Status RememberWith(const std::string& name, const std::string& value, const std::vector<Digest>& documents);

 private:
  struct Name {
    std::vector<std::string> values;  // newest first
    int64_t used = 0;                 // number of the last Remember
    bool operator==(const Name&) const = default;
  };
  struct State {
    std::map<std::string, Name> names;
    int64_t last = 0;
  };
  struct Dropped {
    std::string name, value;
  };
  static std::vector<Dropped> Note(State& state, const std::string& name, const std::string& value);

  meta::Database* const db_;
  lease::Leases* const leases_;
  Guarded<State> state_;
};

}  // namespace bk::cache
