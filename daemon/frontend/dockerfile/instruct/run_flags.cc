// RUN's --mount and --device.
#include "base/go_parse.h"
#include "base/suggest.h"
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/instruct/instruction.h"

namespace bk::dockerfile {
namespace {

constexpr struct {
  std::string_view name;
  MountType type;
} kMountTypes[] = {{"bind", MountType::kBind},
                   {"cache", MountType::kCache},
                   {"secret", MountType::kSecret},
                   {"ssh", MountType::kSsh},
                   {"tmpfs", MountType::kTmpfs}};

const std::vector<std::string>& MountKeys() {
  static const std::vector<std::string> keys = {"type", "from", "source", "target", "readonly", "id", "sharing", "required", "size", "mode",
                                                "uid", "gid", "src", "dst", "destination", "ro", "rw", "readwrite", "env"};
  return keys;
}

struct Field {
  std::string text, key, value;
  bool has_value;
};

Field SplitField(const std::string& text) {
  size_t equals = text.find('=');
  if (equals == std::string::npos) return {text, ToLower(text), "", false};
  return {text, ToLower(text.substr(0, equals)), text.substr(equals + 1), true};
}

class MountReader {
 public:
  absl::Status Take(const Field& field);
  absl::StatusOr<RunMount> Finish();

 private:
  absl::Status TakeWord(const Field& field);
  absl::Status TakeType(const Field& field);
  absl::Status TakeSharing(const Field& field);
  absl::Status TakeNumber(const Field& field, int base, std::optional<uint32_t>& out);
  absl::Status TakeBool(const Field& field, bool negated);
  bool WantsRequired() const { return mount_.type == MountType::kSecret || mount_.type == MountType::kSsh; }
  absl::Status WrongType(const Field& field) const {
    return InvalidArgument("unexpected key '", field.key, "' for mount type '", MountTypeName(mount_.type), "'");
  }
  RunMount mount_;
  bool read_only_given_ = false;
};

absl::Status MountReader::TakeWord(const Field& field) {
  if (field.key == "readonly" || field.key == "ro" || field.key == "readwrite" || field.key == "rw") {
    mount_.read_only = field.key.starts_with("ro") || field.key == "readonly";
    read_only_given_ = true;
  } else if (field.key == "required") {
    if (!WantsRequired()) return WrongType(field);
    mount_.required = true;
  } else {
    return InvalidArgument("invalid field '", field.text, "' must be a key=value pair");
  }
  return absl::OkStatus();
}

absl::Status MountReader::TakeType(const Field& field) {
  std::string wanted = ToLower(field.value);
  std::vector<std::string> names;
  for (const auto& row : kMountTypes) {
    if (row.name == wanted) return mount_.type = row.type, absl::OkStatus();
    names.emplace_back(row.name);
  }
  return WithSuggestion(InvalidArgument("unsupported mount type ", Quote(field.value)), field.value, names, true);
}

absl::Status MountReader::TakeSharing(const Field& field) {
  static const std::vector<std::string> modes = {"locked", "private", "shared"};
  mount_.sharing = ToLower(field.value);
  for (const std::string& mode : modes) {
    if (mode == mount_.sharing) return absl::OkStatus();
  }
  return WithSuggestion(InvalidArgument("unsupported sharing value ", Quote(field.value)), field.value, modes, true);
}

absl::Status MountReader::TakeNumber(const Field& field, int base, std::optional<uint32_t>& out) {
  auto value = ParseUint(field.value, base, 32);
  if (!value.ok()) return InvalidArgument("invalid value ", field.value, " for ", field.key);
  out = static_cast<uint32_t>(*value);
  return absl::OkStatus();
}

absl::Status MountReader::TakeBool(const Field& field, bool negated) {
  auto value = ParseBool(field.value);
  if (!value.ok()) return InvalidArgument("invalid value for ", field.key, ": ", field.value);
  mount_.read_only = *value != negated;
  read_only_given_ = true;
  return absl::OkStatus();
}

absl::Status MountReader::Take(const Field& field) {
  const std::string& key = field.key;
  if (!field.has_value) return TakeWord(field);
  if (key == "type") return TakeType(field);
  if (key == "sharing") return TakeSharing(field);
  if (key == "readonly" || key == "ro") return TakeBool(field, false);
  if (key == "readwrite" || key == "rw") return TakeBool(field, true);
  if (key == "mode") return TakeNumber(field, 8, mount_.mode);
  if (key == "uid") return TakeNumber(field, 10, mount_.uid);
  if (key == "gid") return TakeNumber(field, 10, mount_.gid);
  if (key == "required" || key == "size") {
    bool allowed = key == "size" ? mount_.type == MountType::kTmpfs : WantsRequired();
    if (!allowed) return WrongType(field);
    auto size = ParseMemoryBytes(field.value);
    auto flag = ParseBool(field.value);
    if (!(key == "size" ? size.ok() : flag.ok())) return InvalidArgument("invalid value for ", key, ": ", field.value);
    if (key == "size") mount_.size_limit = *size;
    if (key == "required") mount_.required = *flag;
    return absl::OkStatus();
  }
  if (key == "from") {
    mount_.from = field.value;
  } else if (key == "source" || key == "src") {
    mount_.source = field.value;
  } else if (key == "target" || key == "dst" || key == "destination") {
    mount_.target = field.value;
  } else if (key == "id") {
    mount_.cache_id = field.value;
  } else if (key == "env") {
    mount_.env = field.value;
  } else {
    return WithSuggestion(InvalidArgument("unexpected key '", key, "' in '", field.text, "'"), key, MountKeys(), true);
  }
  return absl::OkStatus();
}

absl::StatusOr<RunMount> MountReader::Finish() {
  std::string_view type = MountTypeName(mount_.type);
  bool file_info = mount_.type != MountType::kBind && mount_.type != MountType::kTmpfs;
  if (!file_info && mount_.mode) return InvalidArgument("mode not allowed for ", Quote(type), " type mounts");
  if (!file_info && mount_.uid) return InvalidArgument("uid not allowed for ", Quote(type), " type mounts");
  if (!file_info && mount_.gid) return InvalidArgument("gid not allowed for ", Quote(type), " type mounts");
  if (!read_only_given_) mount_.read_only = mount_.type != MountType::kCache && mount_.type != MountType::kTmpfs;
  if (mount_.type == MountType::kSecret) {
    if (!mount_.from.empty()) return InvalidArgument("secret mount should not have a from");
    if (!mount_.sharing.empty()) return InvalidArgument("secret mount should not define sharing");
    if (mount_.source.empty() && mount_.target.empty() && mount_.cache_id.empty()) {
      return InvalidArgument("invalid secret mount. one of source, target required");
    }
    if (!mount_.source.empty() && !mount_.cache_id.empty()) return InvalidArgument("both source and id can't be set");
  }
  if (!mount_.sharing.empty() && mount_.type != MountType::kCache) {
    return InvalidArgument("invalid cache sharing set for ", type, " mount");
  }
  return mount_;
}

}  // namespace

std::string_view MountTypeName(MountType type) {
  for (const auto& row : kMountTypes) {
    if (row.type == type) return row.name;
  }
  return "";
}

absl::StatusOr<RunMount> ParseRunMount(const std::string& flag, const WordExpander* expand) {
  auto fields = ParseCsvLine(flag);
  if (!fields.ok()) return Annotate(fields.status(), "failed to parse csv mounts");
  MountReader reader;
  for (const std::string& text : *fields) {
    Field field = SplitField(text);
    if (expand != nullptr) {
      if (field.has_value) {
        BK_TRY(field.value, (*expand)(field.value));
      }
    } else {
      // Everything else may hold a variable, and is looked at once its value is known.
      if (!field.has_value || field.key != "from") continue;
      size_t dollar = field.value.find('$');
      if (dollar != std::string::npos && dollar + 1 != field.value.size()) {
        return InvalidArgument("'from' doesn't support variable expansion, define alias stage instead");
      }
    }
    BK_RETURN_IF_ERROR(reader.Take(field));
  }
  return reader.Finish();
}

absl::StatusOr<RunDevice> ParseRunDevice(const std::string& flag) {
  auto fields = ParseCsvLine(flag);
  if (!fields.ok()) return Annotate(fields.status(), "failed to parse csv devices");
  RunDevice device;
  for (const std::string& text : *fields) {
    Field field = SplitField(text);
    if (field.key == "required") {
      auto value = field.has_value ? ParseBool(field.value) : absl::StatusOr<bool>(true);
      if (!value.ok()) return InvalidArgument("invalid value for required: ", field.value);
      device.required = *value;
    } else if (field.key == "name" && field.has_value) {
      if (!device.name.empty()) return InvalidArgument("device name already set to ", device.name);
      device.name = field.value;
    } else if (device.name.empty()) {
      device.name = text;
    } else if (!field.has_value) {
      return InvalidArgument("invalid field '", text, "' must be a key=value pair");
    } else {
      static const std::vector<std::string> keys = {"name", "required"};
      return WithSuggestion(InvalidArgument("unexpected key '", field.key, "' in '", text, "'"), field.key, keys, true);
    }
  }
  return device;
}

}  // namespace bk::dockerfile
