#include <cstring>

#include "base/os/file.h"
#include "snapshotter/diff/tar.h"

namespace bk::diff {
namespace {

constexpr size_t kBlock = 512;
constexpr int64_t kMaxOctal8 = 2097151;      // 7 octal digits
constexpr int64_t kMaxOctal12 = 8589934591;  // 11 octal digits

bool IsAscii(std::string_view text) {
  for (unsigned char c : text) {
    if (c >= 0x80 || c == 0) return false;
  }
  return true;
}

// USTAR's split of a long name; false if it cannot be done.
bool SplitName(std::string_view name, std::string& prefix, std::string& suffix) {
  if (name.size() <= 100 || !IsAscii(name)) return false;
  size_t length = std::min<size_t>(name.size(), 156);
  if (length == name.size() && name.back() == '/') length--;
  size_t slash = name.substr(0, length).rfind('/');
  if (slash == std::string_view::npos || slash == 0 || name.size() - slash - 1 > 100 || name.size() - slash - 1 == 0 || slash > 155) return false;
  prefix = name.substr(0, slash);
  suffix = name.substr(slash + 1);
  return true;
}

void PutText(std::string& block, size_t offset, size_t size, std::string_view text) {
  std::memcpy(block.data() + offset, text.data(), std::min(size, text.size()));
}

void PutOctal(std::string& block, size_t offset, size_t size, int64_t value) {
  std::string digits(size, '0');
  digits[size - 1] = '\0';
  for (size_t i = size - 1; i-- > 0 && value > 0; value >>= 3) digits[i] = static_cast<char>('0' + (value & 7));
  std::memcpy(block.data() + offset, digits.data(), size);
}

// The record length counts its own digits.
std::string PaxRecord(const std::string& key, const std::string& value) {
  size_t size = key.size() + value.size() + 3;
  size += std::to_string(size).size();
  std::string record = StrCat(size, " ", key, "=", value, "\n");
  if (record.size() != size) record = StrCat(record.size(), " ", key, "=", value, "\n");
  return record;
}

std::string PaxTime(const TarTime& time) {
  if (time.nanoseconds == 0) return std::to_string(time.seconds);
  // A negative time counts back from the next second.
  int64_t seconds = time.seconds, nanoseconds = time.nanoseconds;
  std::string sign;
  if (seconds < 0) {
    sign = "-";
    seconds = -(seconds + 1);
    nanoseconds = 1'000'000'000 - nanoseconds;
  }
  std::string fraction = std::to_string(nanoseconds);
  fraction.insert(0, 9 - fraction.size(), '0');
  while (fraction.back() == '0') fraction.pop_back();
  return StrCat(sign, seconds, ".", fraction);
}

// Octal digits or, where they do not suffice, GNU's two's complement with a mark.
void PutNumeric(std::string& block, size_t offset, size_t size, int64_t value) {
  if (value >= 0 && value <= (size == 8 ? kMaxOctal8 : kMaxOctal12)) return PutOctal(block, offset, size, value);
  for (size_t i = size; i-- > 0; value >>= 8) block[offset + i] = static_cast<char>(value & 0xff);
  block[offset] = static_cast<char>(block[offset] | 0x80);
}

// Headers whose data describe the entry that follows: they have no device fields.
bool IsExtension(char type) { return type == 'x' || type == 'g' || type == 'L' || type == 'K'; }

std::string Block(const TarHeader& header, std::string_view name, std::string_view prefix, bool pax) {
  std::string block(kBlock, '\0');
  auto number = [&](size_t offset, size_t size, int64_t value, int64_t limit) {
    if (header.gnu) return PutNumeric(block, offset, size, value);
    PutOctal(block, offset, size, value < 0 || value > limit ? 0 : value);
  };
  auto ascii = [](std::string_view text) {  // what PAX records say better is written without the odd bytes
    std::string out;
    for (char c : text) {
      if (static_cast<unsigned char>(c) < 0x80 && c != 0) out += c;
    }
    return out;
  };
  std::string short_name(pax ? ascii(name) : name);
  // A cut name must not end with a slash: some readers take it for a directory then.
  if (short_name.size() > 100 && short_name[99] == '/') {
    short_name.resize(99);
    while (short_name.ends_with('/')) short_name.pop_back();
  }
  PutText(block, 0, 100, short_name);
  number(100, 8, header.mode, kMaxOctal8);
  number(108, 8, header.uid, kMaxOctal8);
  number(116, 8, header.gid, kMaxOctal8);
  number(124, 12, header.size_bytes, kMaxOctal12);
  number(136, 12, header.mtime.seconds, kMaxOctal12);
  block[156] = header.type;
  PutText(block, 157, 100, pax ? ascii(header.link_name) : header.link_name);
  PutText(block, 257, 8, header.gnu ? std::string_view("ustar  \0", 8) : std::string_view("ustar\00000", 8));
  PutText(block, 265, 32, pax ? ascii(header.user_name) : header.user_name);
  PutText(block, 297, 32, pax ? ascii(header.group_name) : header.group_name);
  if (!IsExtension(header.type)) number(329, 8, header.dev_major, kMaxOctal8);
  if (!IsExtension(header.type)) number(337, 8, header.dev_minor, kMaxOctal8);
  PutText(block, 345, 155, prefix);
  if (header.gnu_atime) number(345, 12, *header.gnu_atime, kMaxOctal12);
  if (header.gnu_ctime) number(357, 12, *header.gnu_ctime, kMaxOctal12);
  unsigned sum = 8 * ' ';
  for (unsigned char c : block) sum += c;
  PutOctal(block, 148, 7, sum);
  block[155] = ' ';
  return block;
}

// Records that the plain header cannot hold.
std::map<std::string, std::string> NeededRecords(const TarHeader& header) {
  std::map<std::string, std::string> records = header.pax;
  std::string prefix, suffix;
  bool name_fits = IsAscii(header.name) && (header.name.size() <= 100 || SplitName(header.name, prefix, suffix));
  if (!name_fits) records["path"] = header.name;
  if (!IsAscii(header.link_name) || header.link_name.size() > 100) records["linkpath"] = header.link_name;
  if (!IsAscii(header.user_name) || header.user_name.size() > 32) records["uname"] = header.user_name;
  if (!IsAscii(header.group_name) || header.group_name.size() > 32) records["gname"] = header.group_name;
  auto number = [&](const char* key, int64_t value, int64_t limit) {
    if (value < 0 || value > limit) records[key] = std::to_string(value);
  };
  number("uid", header.uid, kMaxOctal8);
  number("gid", header.gid, kMaxOctal8);
  number("size", header.size_bytes, kMaxOctal12);
  if (header.mtime.nanoseconds != 0 || header.mtime.seconds < 0 || header.mtime.seconds > kMaxOctal12) records["mtime"] = PaxTime(header.mtime);
  if (header.has_atime) records["atime"] = PaxTime(header.atime);
  return records;
}

std::string Padded(std::string data) {
  data.resize((data.size() + kBlock - 1) / kBlock * kBlock, '\0');
  return data;
}

// A name too long for its field stands in an entry before.
std::string EncodeGnuHeader(const TarHeader& header) {
  std::string out;
  auto before = [&](char type, const std::string& text) {
    if (text.size() <= 100) return;
    TarHeader extension;
    extension.gnu = true;
    extension.type = type;
    extension.size_bytes = static_cast<int64_t>(text.size()) + 1;
    out += Block(extension, "././@LongLink", "", false) + Padded(text + '\0');
  };
  before('L', header.name);
  before('K', header.link_name);
  return out + Block(header, header.name, "", false);
}

std::string EncodeGlobalHeader(const TarHeader& header) {
  std::string data;
  for (const auto& [key, value] : header.pax) data += PaxRecord(key, value);
  TarHeader global;
  global.type = 'g';
  global.size_bytes = static_cast<int64_t>(data.size());
  std::string name = header.name.empty() ? "GlobalHead.0.0" : header.name.substr(0, 100);
  while (name.ends_with('/')) name.pop_back();
  return Block(global, name, "", false) + Padded(std::move(data));
}

}  // namespace

absl::StatusOr<std::string> EncodeTarHeader(const TarHeader& header) {
  if (header.type == 'g') return EncodeGlobalHeader(header);
  if (header.gnu) return EncodeGnuHeader(header);
  if (header.dev_major > kMaxOctal8 || header.dev_minor > kMaxOctal8 || header.dev_major < 0 || header.dev_minor < 0) {
    return Unknown("archive/tar: cannot encode header: device numbers of ", Quote(header.name), " are too large");
  }
  std::map<std::string, std::string> records = NeededRecords(header);
  std::string prefix, suffix;
  if (records.empty()) {
    bool split = SplitName(header.name, prefix, suffix);
    return Block(header, split ? suffix : header.name, prefix, false);
  }
  std::string data;
  for (const auto& [key, value] : records) data += PaxRecord(key, value);
  TarHeader extended;
  // Go's path.Join of the directory, "PaxHeaders.0" and the base name, which is empty for directories.
  size_t slash = header.name.rfind('/');
  size_t base = slash == std::string::npos ? 0 : slash + 1;
  extended.name = os::CleanPath(StrCat(header.name.substr(0, base), "PaxHeaders.0/", header.name.substr(base)));
  extended.type = 'x';
  extended.size_bytes = static_cast<int64_t>(data.size());
  std::string short_name = extended.name;
  std::string ascii;
  for (char c : short_name) {
    if (static_cast<unsigned char>(c) < 0x80 && c != 0) ascii += c;
  }
  if (ascii.size() > 100) ascii.resize(100);
  while (!ascii.empty() && ascii.back() == '/') ascii.pop_back();
  std::string out = Block(extended, ascii, "", false);
  out += Padded(std::move(data));
  out += Block(header, header.name, "", true);
  return out;
}

absl::Status TarWriter::Pad() {
  if (remaining_ != 0) return Internal("tar entry is short of ", remaining_, " bytes");
  std::string zeros(static_cast<size_t>(padding_), '\0');
  padding_ = 0;
  return zeros.empty() ? absl::OkStatus() : sink_(zeros);
}

absl::Status TarWriter::Header(const TarHeader& header) {
  BK_RETURN_IF_ERROR(Pad());
  BK_TRY(std::string encoded, EncodeTarHeader(header));
  bool has_data = header.type == '0';
  remaining_ = has_data ? header.size_bytes : 0;
  padding_ = (static_cast<int64_t>(kBlock) - remaining_ % static_cast<int64_t>(kBlock)) % static_cast<int64_t>(kBlock);
  return sink_(encoded);
}

absl::Status TarWriter::Data(std::string_view bytes) {
  if (static_cast<int64_t>(bytes.size()) > remaining_) return Internal("tar entry is longer than its header says");
  remaining_ -= static_cast<int64_t>(bytes.size());
  return sink_(bytes);
}

absl::Status TarWriter::Close() {
  BK_RETURN_IF_ERROR(Pad());
  return sink_(std::string(2 * kBlock, '\0'));
}

}  // namespace bk::diff
