// One entry of a tree as frontends see it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace bk::frontend {

struct FileStat {
  std::string path;
  uint32_t mode = 0;  // Go os.FileMode bits (trap 7)
  uint32_t uid = 0, gid = 0;
  int64_t size_bytes = 0, mod_time_ns = 0;
  std::string linkname;
  int64_t devmajor = 0, devminor = 0;
  std::map<std::string, std::string> xattrs;
};

}  // namespace bk::frontend
