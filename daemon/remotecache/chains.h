// The records of a cache export and the text of their config (application/vnd.buildkit.cacheconfig.v0, trap 17).
//
// Records that the same links lead to are one. The text is canonical: equal builds give equal bytes, whatever the order in
// which records came. Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "daemon/solver/cache_export.h"

namespace bk::remotecache {

class CacheChains : public solver::CacheExportTarget {
 public:
  std::optional<Record> Add(const std::string& digest, const std::vector<std::vector<Link>>& inputs, const std::vector<solver::CacheExportResult>& results) override;
  // The config's JSON; "{}" when nothing was added.
  std::string Config() const;
  // What the layers of Config are, by digest.
  std::map<Digest, Descriptor> Layers() const;

 private:
  using LinkName = std::tuple<std::string, size_t, std::string>;  // selector, input, digest of the record it leads to
  struct Item {
    std::string digest;
    std::vector<std::set<std::pair<Record, std::string>>> parents;  // by input: record and selector
    std::map<LinkName, std::set<Record>> children;
    std::vector<solver::CacheExportResult> results;
  };
  static void AddResult(Item& item, const solver::CacheExportResult& result);
  std::set<Record> Matches(const std::string& digest, const std::vector<std::vector<Link>>& inputs) const;
  void Absorb(Record into, Record from);
  std::set<Record> Below(Record record) const;
  std::vector<Record> InOrder() const;

  std::vector<Item> items_;
  std::map<std::string, Record> roots_;
};

}  // namespace bk::remotecache
