// The disk side of a transfer: makes, replaces and removes entries below one directory. Internal to proto/fsutil.
//
// Hard links and the attributes of directories come last, when everything they depend on is there. One thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/os/root_path.h"
#include "proto/fsutil/receiver.h"

namespace bk::fsutil {

class TreeWriter {
 public:
  TreeWriter(os::RootDir root, ChangeObserver* observer, bool in_place) : root_(std::move(root)), observer_(observer), in_place_(in_place) {}
  ~TreeWriter();

  const os::RootDir& root() const { return root_; }
  // Puts the entry in place of what is there. `stat` is what the disk gets, `sent` what the sender said. True: it is a file
  // whose data must come under `id`. `may_exist` false: nothing has the name, for sure.
  absl::StatusOr<bool> Write(uint32_t id, const Stat& stat, const Stat& sent, bool may_exist = true);
  // A directory that is as it should be; its time is put back if something in it changes.
  void Unchanged(const Stat& stat);
  absl::Status Remove(const std::string& path);
  bool Expects(uint32_t id) const { return open_.contains(id); }
  bool expects_data() const { return !open_.empty(); }
  // The next piece of the file; an empty one ends it.
  absl::Status Data(uint32_t id, std::string_view data);
  absl::Status Finish();
  // A file beside the transferred tree's entries, in place of whatever has the name.
  absl::Status WriteFile(const std::string& name, std::string_view bytes);

 private:
  struct Parent {
    std::shared_ptr<os::UniqueFd> fd;
    std::string name;
  };
  struct File {  // asked for; made when its first piece comes
    Stat stat, sent;
    bool replaces = false;  // another file
    std::shared_ptr<os::UniqueFd> parent = {};
    std::string written = {};  // its name until it is complete
    os::UniqueFd fd = {};
    std::unique_ptr<ChangeObserver::Hasher> hasher = {};
  };
  struct Directory {
    Stat stat;
    bool attributes;  // all of them; else the time alone, if something in it changed
  };
  struct Link {
    Stat stat, sent;
    bool replaced;
  };

  // Of an entry; most are of the same directory as the one before.
  absl::StatusOr<Parent> OpenParent(const std::string& path);
  absl::Status WriteDirectory(const Stat& stat, const Stat& sent, const Parent& parent, bool is_directory, bool replaced);
  absl::Status Begin(File& file);
  absl::Status End(File& file);
  absl::Status WriteSpecial(const Stat& stat, const Parent& parent);
  absl::Status MakeLink(const Link& link);
  absl::Status Written(const Stat& sent, bool replaced);
  absl::Status SetAttributes(const Stat& stat, const Parent& parent, const std::string& name);
  void Touch(const std::string& path);

  os::RootDir root_;
  ChangeObserver* const observer_;
  const bool in_place_;
  std::string parent_path_;
  std::shared_ptr<os::UniqueFd> parent_;  // of the last entry; null: none
  std::map<uint32_t, File> open_;
  std::vector<Directory> directories_;  // in the sender's order: parents first
  std::vector<Link> links_;
  std::set<std::string> touched_;  // directories whose time the writing changed
};

}  // namespace bk::fsutil
