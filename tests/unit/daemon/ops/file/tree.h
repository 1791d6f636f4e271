// A small tree on disk for the tests of file actions.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/os/file.h"
#include "base/os/root_path.h"

namespace bk::ops::file::test {

class Tree {
 public:
  Tree() : dir_(os::TempDir::Make("ops-tree-").value()), root_(os::RootDir::Open(dir_.path()).value()) { chmod(dir_.path().c_str(), 0755); }
  const os::RootDir& root() const { return root_; }
  std::string At(const std::string& path) const { return dir_.path() + "/" + path; }

  void Dir(const std::string& path, unsigned mode = 0755) {
    (void)os::MakeDirs(At(path), 0755);
    chmod(At(path).c_str(), mode);
  }
  void File(const std::string& path, const std::string& text = "x", unsigned mode = 0644) {
    (void)os::MakeDirs(os::DirName(At(path)), 0755);
    (void)os::WriteFile(At(path), text, 0600);
    chmod(At(path).c_str(), mode);
  }
  void Link(const std::string& path, const std::string& target) {
    (void)os::MakeDirs(os::DirName(At(path)), 0755);
    (void)symlink(target.c_str(), At(path).c_str());
  }
  void Time(const std::string& path, int64_t seconds) {
    timespec times[] = {{seconds, 0}, {seconds, 500}};
    utimensat(AT_FDCWD, At(path).c_str(), times, AT_SYMLINK_NOFOLLOW);
  }

  bool Has(const std::string& path) const { return os::Exists(At(path)); }
  std::string Text(const std::string& path) const { return os::ReadFile(At(path)).value_or("<no file>"); }
  std::string Target(const std::string& path) const { return os::ReadLink(At(path)).value_or("<no link>"); }
  struct stat Stat(const std::string& path) const {
    struct stat st {};
    lstat(At(path).c_str(), &st);
    return st;
  }
  unsigned Mode(const std::string& path) const { return Stat(path).st_mode & 07777; }
  // "a b/ b/c" of a directory, sorted.
  std::string List(const std::string& path = "") const {
    std::string out;
    Append(path, out);
    return out;
  }

 private:
  void Append(const std::string& path, std::string& out) const {
    auto names = os::ListDir(At(path));
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      std::string full = path.empty() ? name : path + "/" + name;
      bool dir = S_ISDIR(Stat(full).st_mode);
      out += (out.empty() ? "" : " ") + full + (dir ? "/" : "");
      if (dir) Append(full, out);
    }
  }
  os::TempDir dir_;
  os::RootDir root_;
};

}  // namespace bk::ops::file::test
