// Entries of trees as messages.
#pragma once

#include "daemon/frontend/file_stat.h"
#include "fsutil/fsutil.pb.h"

namespace bk::frontend::gateway {

inline fsutil::types::Stat ToWire(const FileStat& stat) {
  fsutil::types::Stat out;
  out.set_path(stat.path);
  out.set_mode(stat.mode);
  out.set_uid(stat.uid);
  out.set_gid(stat.gid);
  out.set_size(stat.size_bytes);
  out.set_modtime(stat.mod_time_ns);
  out.set_linkname(stat.linkname);
  out.set_devmajor(stat.devmajor);
  out.set_devminor(stat.devminor);
  for (const auto& [name, value] : stat.xattrs) (*out.mutable_xattrs())[name] = value;
  return out;
}

}  // namespace bk::frontend::gateway
