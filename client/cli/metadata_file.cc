#include "client/cli/metadata_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/go_json.h"
#include "base/id.h"
#include "base/os/file.h"

namespace bk::client {
namespace {

// JSON text of the object that `value` encodes, or "".
std::string DecodedObject(const std::string& value) {
  auto plain = Base64Decode(value);
  if (!plain.ok() || Base64Encode(*plain) != value) return "";  // only the standard form counts
  auto json = nlohmann::ordered_json::parse(*plain, nullptr, false);
  return json.is_object() && !json.empty() ? GoJsonCompact(*plain) : "";
}

}  // namespace

std::string MetadataJson(const Attributes& response) {
  GoJsonWriter w;
  w.BeginObject();
  for (const auto& [key, value] : response) {
    w.Key(key);
    std::string object = DecodedObject(value);
    if (object.empty()) {
      w.String(value);
    } else {
      w.Raw(object);
    }
  }
  w.EndObject();
  return GoJsonIndent(w.text(), "  ");
}

absl::Status WriteOutputFile(const std::string& path, const std::string& text) {
  std::string temporary = os::JoinPath(os::DirName(path), StrCat(".tmp-", os::BaseName(path), NewId()));
  os::UniqueFd file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file) return ErrnoError(errno, "open " + temporary);
  absl::Status written = os::WriteAll(file.get(), text);
  if (written.ok() && rename(temporary.c_str(), path.c_str()) != 0) written = ErrnoError(errno, StrCat("rename ", temporary, " ", path));
  if (!written.ok()) unlink(temporary.c_str());
  return written;
}

}  // namespace bk::client
