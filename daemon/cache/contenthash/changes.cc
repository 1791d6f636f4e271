// Records from the changes of a transfer. The root is never part of one: its header is that of nothing.
#include "base/path.h"
#include "daemon/cache/contenthash/tree.h"

namespace bk::contenthash {
namespace {

// Directory of a path, "" for the root; a trailing slash keeps the directory itself.
std::string Directory(const std::string& path) {
  std::string directory = DirName(path);
  return directory == "/" ? "" : directory;
}

}  // namespace

void HashTree::BeginBatch() {
  if (batch_open_) return;
  batch_open_ = true;
  batch_++;
  dirty_ = true;
  std::string header(1, '\0');
  if (records_.contains(header)) return;
  Put(header, {RecordType::kDirHeader, DigestOf("").str(), "", 0});
  Put("", {RecordType::kDir, "", "", 0});
}

const Record* HashTree::BeforeBatch(const std::string& key) const {
  if (auto it = replaced_.find(key); it != replaced_.end()) return &it->second;
  auto it = records_.find(key);
  return it == records_.end() || it->second.batch == batch_ ? nullptr : &it->second;
}

void HashTree::Put(const std::string& key, Record record) {
  auto [it, added] = records_.try_emplace(key);
  if (!added && it->second.batch != batch_) replaced_.try_emplace(key, it->second);
  record.batch = batch_;
  it->second = std::move(record);
}

std::optional<Record> HashTree::Erase(const std::string& key) {
  auto it = records_.find(key);
  if (it == records_.end()) return std::nullopt;
  if (it->second.batch != batch_) replaced_.try_emplace(key, it->second);
  Record erased = std::move(it->second);
  records_.erase(it);
  return erased;
}

// Everything below the directory `key` that was there before the batch; what the batch added stays (as in the reference).
void HashTree::EraseBefore(const std::string& key) {
  std::string prefix = key + '\0';
  for (auto it = records_.lower_bound(prefix); it != records_.end() && it->first.starts_with(prefix);) {
    std::string found = it->first;
    ++it;
    if (BeforeBatch(found) != nullptr) Erase(found);
  }
}

absl::Status HashTree::HandleChange(ChangeKind kind, const std::string& raw_path, const fsutil::Stat& stat, const Digest& digest) {
  std::string path = RecordPath(raw_path), key = KeyOf(path);
  if (kind != ChangeKind::kDelete && digest.empty()) return InvalidArgument("change of ", Quote(path), " without digest");
  BeginBatch();
  if (kind == ChangeKind::kDelete) {
    std::optional<Record> gone = Erase(key);
    if (gone && gone->type == RecordType::kDir) EraseBefore(key);
    changed_dirs_.insert(Directory(path));
    return absl::OkStatus();
  }
  bool is_dir = (stat.mode() & fsutil::kModeDir) != 0, is_link = (stat.mode() & fsutil::kModeSymlink) != 0;
  if (const Record* before = BeforeBatch(key); before != nullptr && before->type == RecordType::kDir && !is_dir) EraseBefore(key);
  Record record;
  record.digest = digest.str();
  if (is_link) {
    record.type = RecordType::kSymlink;
    record.linkname = stat.linkname();
  }
  if (is_dir) {
    record.type = RecordType::kDirHeader;
    Put(key, {RecordType::kDir, "", "", 0});
    key += '\0';
    path += '/';
  }
  if (!is_link && !stat.linkname().empty()) {
    // A hard link has the digest of its target, which may be announced later.
    std::string target = CleanPath("/" + stat.linkname());
    if (auto it = records_.find(KeyOf(target)); it != records_.end()) record = it->second;
    links_[target].push_back(key);
  }
  Put(key, record);
  if (!is_dir) PutLinks(path, record);
  changed_dirs_.insert(Directory(path));
  return absl::OkStatus();
}

void HashTree::PutLinks(const std::string& target, const Record& record) {
  auto waiting = links_.find(target);
  if (waiting == links_.end()) return;
  for (const std::string& link : waiting->second) {
    Put(link, record);
    changed_dirs_.insert(Directory(PathOf(link)));
  }
  links_.erase(waiting);
}

void HashTree::MarkDirectory(std::string directory) {
  while (true) {
    if (auto it = records_.find(KeyOf(directory)); it != records_.end()) it->second = {RecordType::kDir, "", "", 0};
    if (directory.empty()) return;
    directory = Directory(directory);
  }
}

void HashTree::EndBatch() {
  if (!batch_open_) return;
  for (const std::string& directory : changed_dirs_) MarkDirectory(directory);
  batch_open_ = false;
  replaced_.clear();
  changed_dirs_.clear();
}

}  // namespace bk::contenthash
