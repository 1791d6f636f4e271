// An environment that many states share: adding is cheap and never seen by older copies.
//
// A variable that is set again moves to the end, as in the reference. Not thread-safe across copies (they share storage).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk::llb {

class EnvList {
 public:
  void Set(std::string key, std::string value) { Append({std::move(key), std::move(value), false}); }
  void Delete(std::string key) { Append({std::move(key), "", true}); }
  // Valid until this list or a copy changes.
  std::optional<std::string_view> Get(std::string_view key) const;
  // In order of the last setting.
  std::vector<std::string> Keys() const;
  std::vector<std::string> ToArray() const;  // KEY=value

 private:
  struct Entry {
    std::string key, value;
    bool deleted;
  };
  void Append(Entry entry);
  // The last entry of each key, oldest first.
  std::vector<const Entry*> Live() const;
  std::shared_ptr<std::vector<Entry>> entries_;  // this list is the first size_ of them
  size_t size_ = 0;
};

}  // namespace bk::llb
