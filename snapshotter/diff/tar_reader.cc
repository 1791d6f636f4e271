#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "snapshotter/diff/tar.h"

namespace bk::diff {
namespace {

constexpr size_t kBlock = 512;
constexpr int64_t kMetadataLimit = 1 << 20;  // of a PAX header or a long name
constexpr size_t kExtentLimit = 65536;       // of a sparse map

absl::Status Bad(std::string_view what) { return DataLoss("archive/tar: invalid tar header: ", what); }

int64_t PaddingOf(int64_t size) { return (static_cast<int64_t>(kBlock) - size % static_cast<int64_t>(kBlock)) % static_cast<int64_t>(kBlock); }

std::string Text(const char* block, size_t offset, size_t size) {
  return std::string(block + offset, strnlen(block + offset, size));
}

absl::StatusOr<int64_t> Number(const char* block, size_t offset, size_t size) {
  auto* bytes = reinterpret_cast<const unsigned char*>(block + offset);
  if (bytes[0] & 0x80) {  // base 256, two's complement
    bool negative = bytes[0] & 0x40;
    uint64_t value = negative ? ~0ULL : 0;
    for (size_t i = 0; i < size; i++) {
      unsigned char c = i == 0 ? (negative ? bytes[0] | 0x80 : bytes[0] & 0x7f) : bytes[i];
      if (i + 8 < size && c != (negative ? 0xff : 0)) return Bad("number is too large");
      value = value << 8 | c;
    }
    return static_cast<int64_t>(value);
  }
  std::string_view text(block + offset, size);
  size_t begin = text.find_first_not_of(std::string_view(" \0", 2));
  if (begin == std::string_view::npos) return 0;
  size_t end = text.find_first_of(std::string_view(" \0", 2), begin);
  text = text.substr(begin, end == std::string_view::npos ? end : end - begin);
  int64_t value = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, 8);
  if (error != std::errc() || stop != text.data() + text.size()) return Bad("number is not octal");
  return value;
}

absl::StatusOr<int64_t> Decimal(const std::string& text) {
  int64_t value = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || stop != text.data() + text.size()) return Bad(StrCat("number ", Quote(text)));
  return value;
}

absl::StatusOr<TarTime> ParseTime(const std::string& text) {
  size_t dot = text.find('.');
  TarTime time;
  BK_TRY(time.seconds, Decimal(text.substr(0, dot)));
  if (dot == std::string::npos) return time;
  std::string fraction = text.substr(dot + 1, 9);
  if (fraction.find_first_not_of("0123456789") != std::string::npos) return Bad("time");
  fraction.resize(9, '0');
  BK_TRY(time.nanoseconds, Decimal(fraction));
  if (text[0] == '-' && time.nanoseconds > 0) {
    time.seconds -= 1;
    time.nanoseconds = 1'000'000'000 - time.nanoseconds;
  }
  return time;
}

bool IsZero(const char* block) {
  return std::all_of(block, block + kBlock, [](char c) { return c == 0; });
}

bool ChecksumHolds(const char* block) {
  auto wanted = Number(block, 148, 8);
  int64_t sum = 0, signed_sum = 0;
  for (size_t i = 0; i < kBlock; i++) {
    char c = i >= 148 && i < 156 ? ' ' : block[i];
    sum += static_cast<unsigned char>(c);
    signed_sum += static_cast<signed char>(c);
  }
  return wanted.ok() && (*wanted == sum || *wanted == signed_sum);
}

}  // namespace

absl::StatusOr<size_t> FdSource::Read(char* buffer, size_t size) {
  while (true) {
    ssize_t n = read(fd_, buffer, size);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) return ErrnoError(errno, "read");
  }
}

absl::StatusOr<size_t> StringSource::Read(char* buffer, size_t size) {
  size_t n = std::min(size, rest_.size());
  std::memcpy(buffer, rest_.data(), n);
  rest_.remove_prefix(n);
  return n;
}

absl::StatusOr<std::map<std::string, std::string>> ParsePaxRecords(std::string_view text) {
  std::map<std::string, std::string> records;
  while (!text.empty()) {
    size_t space = text.find(' ');
    if (space == std::string_view::npos) return Bad("PAX record");
    BK_TRY(int64_t size, Decimal(std::string(text.substr(0, space))));
    if (size <= static_cast<int64_t>(space) + 1 || size > static_cast<int64_t>(text.size()) || text[static_cast<size_t>(size) - 1] != '\n') return Bad("PAX record");
    std::string_view record = text.substr(space + 1, static_cast<size_t>(size) - space - 2);
    size_t equals = record.find('=');
    if (equals == std::string_view::npos) return Bad("PAX record");
    std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
    bool is_text = key == "path" || key == "linkpath" || key == "uname" || key == "gname";
    if (key.empty() || (is_text ? value : key).find('\0') != std::string_view::npos) return Bad("PAX record");
    records[std::string(key)] = value;
    text.remove_prefix(static_cast<size_t>(size));
  }
  return records;
}

absl::Status TarReader::ReadFully(char* buffer, size_t size, bool* at_end) {
  size_t done = 0;
  while (done < size) {
    BK_TRY(size_t n, source_.Read(buffer + done, size - done));
    if (n == 0) {
      if (done == 0 && at_end != nullptr) {
        *at_end = true;
        return absl::OkStatus();
      }
      return DataLoss("unexpected EOF");
    }
    done += n;
  }
  return absl::OkStatus();
}

absl::Status TarReader::Skip(int64_t size) {
  char buffer[65536];
  while (size > 0) {
    size_t piece = static_cast<size_t>(std::min<int64_t>(size, sizeof buffer));
    BK_RETURN_IF_ERROR(ReadFully(buffer, piece));
    size -= static_cast<int64_t>(piece);
  }
  return absl::OkStatus();
}

// True if the archive ends within the padding, which is no error.
absl::StatusOr<bool> TarReader::SkipPadding() {
  char buffer[kBlock];
  while (padding_ > 0) {
    BK_TRY(size_t n, source_.Read(buffer, static_cast<size_t>(padding_)));
    if (n == 0) return true;
    padding_ -= static_cast<int64_t>(n);
  }
  return false;
}

absl::StatusOr<std::string> TarReader::ReadMetadata(int64_t size) {
  if (size < 0 || size > kMetadataLimit) return Bad("extended header is too large");
  std::string data(static_cast<size_t>(size), '\0');
  BK_RETURN_IF_ERROR(ReadFully(data.data(), data.size()));
  BK_RETURN_IF_ERROR(Skip(PaddingOf(size)));
  return data;
}

absl::Status TarReader::ApplyPax(TarHeader& header) {
  for (const auto& [key, value] : header.pax) {
    if (value.empty()) continue;  // an empty value takes a record back
    if (key == "path") header.name = value;
    if (key == "linkpath") header.link_name = value;
    if (key == "uname") header.user_name = value;
    if (key == "gname") header.group_name = value;
    if (key == "uid") BK_ASSIGN(header.uid, Decimal(value));
    if (key == "gid") BK_ASSIGN(header.gid, Decimal(value));
    if (key == "size") BK_ASSIGN(header.size_bytes, Decimal(value));
    if (key == "mtime") BK_ASSIGN(header.mtime, ParseTime(value));
    if (key == "atime") {
      BK_TRY(header.atime, ParseTime(value));
      header.has_atime = true;
    }
  }
  return header.size_bytes < 0 ? Bad("negative size") : absl::OkStatus();
}

absl::Status TarReader::ReadSparseMap(TarHeader& header) {
  auto record = [&](const char* key) {
    auto it = header.pax.find(key);
    return it == header.pax.end() ? std::string() : it->second;
  };
  bool version_1 = record("GNU.sparse.major") == "1";
  std::vector<std::string> numbers;
  if (version_1) {  // the map stands before the data, a number a line, padded to a block
    std::string text;
    int64_t wanted = -1;
    while (wanted < 0 || static_cast<int64_t>(std::count(text.begin(), text.end(), '\n')) < wanted) {
      char block[kBlock];
      if (remaining_ < static_cast<int64_t>(kBlock) || text.size() > kMetadataLimit) return Bad("sparse map");
      BK_RETURN_IF_ERROR(ReadFully(block, kBlock));
      remaining_ -= kBlock;
      text.append(block, kBlock);
      if (wanted < 0 && text.find('\n') != std::string::npos) {
        BK_TRY(int64_t count, Decimal(text.substr(0, text.find('\n'))));
        if (count < 0 || count > static_cast<int64_t>(kExtentLimit)) return Bad("sparse map is too large");
        wanted = 1 + 2 * count;
      }
    }
    for (size_t at = 0; static_cast<int64_t>(numbers.size()) < wanted; at = text.find('\n', at) + 1) numbers.push_back(text.substr(at, text.find('\n', at) - at));
    numbers.erase(numbers.begin());
  } else if (!record("GNU.sparse.map").empty()) {
    std::string map = record("GNU.sparse.map") + ",";
    for (size_t at = 0; at < map.size(); at = map.find(',', at) + 1) numbers.push_back(map.substr(at, map.find(',', at) - at));
  } else {
    return absl::OkStatus();
  }
  if (numbers.size() % 2 != 0 || numbers.size() / 2 > kExtentLimit) return Bad("sparse map");
  int64_t end = 0, stored = 0;
  for (size_t i = 0; i < numbers.size(); i += 2) {
    BK_TRY(int64_t offset, Decimal(numbers[i]));
    BK_TRY(int64_t size, Decimal(numbers[i + 1]));
    if (offset < end || size < 0 || offset > INT64_MAX - size) return Bad("sparse map");
    end = offset + size;
    stored += size;
    extents_.push_back({offset, size});
  }
  std::string logical = record(version_1 ? "GNU.sparse.realsize" : "GNU.sparse.size");
  BK_TRY(logical_size_, Decimal(logical));
  if (end > logical_size_ || stored > remaining_) return Bad("sparse map");
  if (std::string name = record("GNU.sparse.name"); !name.empty()) header.name = name;
  sparse_ = true;
  header.size_bytes = logical_size_;
  return absl::OkStatus();
}

absl::StatusOr<bool> TarReader::Next(TarHeader& header) {
  BK_RETURN_IF_ERROR(Skip(remaining_));
  BK_TRY(bool ended, SkipPadding());
  if (ended) return false;
  remaining_ = padding_ = 0;
  sparse_ = false;
  extents_.clear();
  extent_ = 0;
  position_ = 0;
  std::string long_name, long_link;
  std::map<std::string, std::string> pax;
  while (true) {
    char block[kBlock];
    bool at_end = false;
    BK_RETURN_IF_ERROR(ReadFully(block, kBlock, &at_end));
    if (at_end) return false;
    if (IsZero(block)) {  // two of them end the archive, so does its end
      BK_RETURN_IF_ERROR(ReadFully(block, kBlock, &at_end));
      return at_end || IsZero(block) ? absl::StatusOr<bool>(false) : Bad("single zero block");
    }
    if (!ChecksumHolds(block)) return Bad("checksum");
    header = TarHeader();
    bool ustar = std::memcmp(block + 257, "ustar", 5) == 0;
    bool gnu = std::memcmp(block + 257, "ustar  ", 8) == 0;
    header.gnu = gnu;
    header.name = Text(block, 0, 100);
    BK_TRY(header.mode, Number(block, 100, 8));
    BK_TRY(header.uid, Number(block, 108, 8));
    BK_TRY(header.gid, Number(block, 116, 8));
    BK_TRY(header.size_bytes, Number(block, 124, 12));
    BK_TRY(header.mtime.seconds, Number(block, 136, 12));
    header.type = block[156];
    header.link_name = Text(block, 157, 100);
    if (ustar) {
      header.user_name = Text(block, 265, 32);
      header.group_name = Text(block, 297, 32);
      BK_TRY(header.dev_major, Number(block, 329, 8));
      BK_TRY(header.dev_minor, Number(block, 337, 8));
      std::string prefix = Text(block, 345, 155);
      if (!gnu && !prefix.empty()) header.name = StrCat(prefix, "/", header.name);
      // Old writers put other things there: what is no number is none.
      if (auto time = Number(block, 345, 12); gnu && block[345] != 0 && time.ok()) header.gnu_atime = *time;
      if (auto time = Number(block, 357, 12); gnu && block[357] != 0 && time.ok()) header.gnu_ctime = *time;
    }
    if (header.size_bytes < 0) return Bad("negative size");
    if (header.type == 'x' || header.type == 'g' || header.type == 'L' || header.type == 'K') {
      BK_TRY(std::string data, ReadMetadata(header.size_bytes));
      if (header.type == 'x') BK_ASSIGN(pax, ParsePaxRecords(data));
      std::string text(data.c_str());
      if (header.type == 'L') long_name = text;
      if (header.type == 'K') long_link = text;
      if (header.type == 'g') {
        remaining_ = padding_ = 0;
        TarHeader global;
        global.type = 'g';
        global.name = header.name;
        BK_TRY(global.pax, ParsePaxRecords(data));
        header = std::move(global);
        return true;
      }
      continue;
    }
    break;
  }
  if (!long_name.empty()) header.name = long_name;
  if (!long_link.empty()) header.link_name = long_link;
  header.pax = std::move(pax);
  header.gnu = header.gnu && header.pax.empty();
  BK_RETURN_IF_ERROR(ApplyPax(header));
  // The oldest archives mark directories by a slash alone.
  if (header.type == 0) header.type = header.name.ends_with('/') ? '5' : '0';
  bool no_data = std::string_view("123456").find(header.type) != std::string_view::npos;
  remaining_ = no_data ? 0 : header.size_bytes;
  padding_ = PaddingOf(remaining_);
  logical_size_ = remaining_;
  BK_RETURN_IF_ERROR(ReadSparseMap(header));
  return true;
}

absl::StatusOr<size_t> TarReader::Read(char* buffer, size_t size) {
  if (position_ >= logical_size_) return 0;
  size_t want = static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(size), logical_size_ - position_));
  if (sparse_) {
    while (extent_ < extents_.size() && position_ >= extents_[extent_].offset + extents_[extent_].size) extent_++;
    bool in_data = extent_ < extents_.size() && position_ >= extents_[extent_].offset;
    int64_t limit = extent_ >= extents_.size() ? logical_size_ : in_data ? extents_[extent_].offset + extents_[extent_].size : extents_[extent_].offset;
    want = static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(want), limit - position_));
    if (!in_data) {
      std::memset(buffer, 0, want);
      position_ += static_cast<int64_t>(want);
      return want;
    }
  }
  BK_TRY(size_t n, source_.Read(buffer, want));
  if (n == 0) return DataLoss("unexpected EOF");
  remaining_ -= static_cast<int64_t>(n);
  position_ += static_cast<int64_t>(n);
  return n;
}

}  // namespace bk::diff
