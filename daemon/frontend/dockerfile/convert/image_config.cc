#include "daemon/frontend/dockerfile/convert/image_config.h"

#include <nlohmann/json.hpp>

#include "base/go_json.h"

namespace bk::dockerfile {
namespace {

using Json = nlohmann::json;

// RFC 3339 as Go prints it: no trailing zeros of a second, "Z" for UTC.
std::string NormalTime(std::string time) {
  size_t dot = time.find('.');
  if (dot != std::string::npos) {
    size_t end = time.find_first_not_of("0123456789", dot + 1);
    end = std::min(end, time.size());
    size_t last = time.find_last_not_of('0', end - 1);
    if (last == dot) last--;
    time.erase(last + 1, end - last - 1);
  }
  if (time.ends_with("+00:00") || time.ends_with("-00:00")) time.replace(time.size() - 6, 6, "Z");
  return time;
}

// Reads one object; a value of another type is an error, an absent one or null nothing.
class ObjectReader {
 public:
  ObjectReader(const Json& object, absl::Status& status) : object_(object), status_(status) {
    if (!object.is_object() && !object.is_null()) Fail("an object");
  }
  void Text(const char* key, std::string& out) {
    Value(key, &Json::is_string, "a string", [&](const Json& v) { out = v.get<std::string>(); });
  }
  void Bool(const char* key, bool& out) {
    Value(key, &Json::is_boolean, "a boolean", [&](const Json& v) { out = v.get<bool>(); });
  }
  template <typename T>
  void Int(const char* key, T& out) {
    Value(key, &Json::is_number_integer, "an integer", [&](const Json& v) { out = v.get<T>(); });
  }
  void List(const char* key, std::vector<std::string>& out) {
    Value(key, &Json::is_array, "a list", [&](const Json& v) {
      for (const Json& item : v) {
        if (item.is_string()) {
          out.push_back(item.get<std::string>());
        } else {
          Fail(key);
        }
      }
    });
  }
  void Keys(const char* key, std::set<std::string>& out) {
    Value(key, &Json::is_object, "an object", [&](const Json& v) {
      for (const auto& [name, ignored] : v.items()) out.insert(name);
    });
  }
  void TextMap(const char* key, std::map<std::string, std::string>& out) {
    Value(key, &Json::is_object, "an object", [&](const Json& v) {
      for (const auto& [name, value] : v.items()) {
        if (value.is_string()) {
          out[name] = value.get<std::string>();
        } else {
          Fail(key);
        }
      }
    });
  }
  void Time(const char* key, std::string& out) {
    Text(key, out);
    out = NormalTime(std::move(out));
  }
  const Json& At(const char* key) const {
    static const Json null;
    return object_.is_object() && object_.contains(key) ? object_.at(key) : null;
  }

 private:
  template <typename F>
  void Value(const char* key, bool (Json::*is)() const noexcept, const char* what, F&& use) {
    const Json& value = At(key);
    if (value.is_null()) return;
    if ((value.*is)()) {
      use(value);
    } else {
      Fail(StrCat(key, " as ", what));
    }
  }
  void Fail(std::string_view what) { status_.Update(InvalidArgument("cannot read ", what)); }

  const Json& object_;
  absl::Status& status_;
};

void ReadHealthCheck(const Json& json, ImageConfig& image, absl::Status& status) {
  if (json.is_null()) return;
  HealthCheckInstruction check;
  ObjectReader reader(json, status);
  reader.List("Test", check.test);
  reader.Int("Interval", check.interval_ns);
  reader.Int("Timeout", check.timeout_ns);
  reader.Int("StartPeriod", check.start_period_ns);
  reader.Int("StartInterval", check.start_interval_ns);
  reader.Int("Retries", check.retries);
  image.health_check = std::move(check);
}

void ReadConfig(const Json& json, ImageConfig& image, absl::Status& status) {
  ObjectReader reader(json, status);
  reader.Text("User", image.user);
  reader.Keys("ExposedPorts", image.exposed_ports);
  reader.List("Env", image.env);
  reader.List("Entrypoint", image.entrypoint);
  reader.List("Cmd", image.cmd);
  reader.Keys("Volumes", image.volumes);
  reader.Text("WorkingDir", image.working_dir);
  reader.TextMap("Labels", image.labels);
  reader.Text("StopSignal", image.stop_signal);
  reader.Bool("ArgsEscaped", image.args_escaped);
  ReadHealthCheck(reader.At("Healthcheck"), image, status);
  reader.List("OnBuild", image.onbuild);
  reader.List("Shell", image.shell);
}

void ReadHistory(const Json& json, ImageConfig& image, absl::Status& status) {
  if (json.is_null()) return;
  if (!json.is_array()) return status.Update(InvalidArgument("cannot read history as a list"));
  for (const Json& item : json) {
    HistoryEntry entry;
    ObjectReader reader(item, status);
    reader.Time("created", entry.created);
    reader.Text("created_by", entry.created_by);
    reader.Text("author", entry.author);
    reader.Text("comment", entry.comment);
    reader.Bool("empty_layer", entry.empty_layer);
    image.history.Add(std::move(entry));
  }
}

// Go's omitempty: nothing is written for an empty value.
class ObjectWriter {
 public:
  explicit ObjectWriter(GoJsonWriter& out) : out_(out) { out_.BeginObject(); }
  ~ObjectWriter() { out_.EndObject(); }
  void Text(const char* key, const std::string& value) {
    if (value.empty()) return;
    out_.Key(key);
    out_.String(value);
  }
  void TextAlways(const char* key, const std::string& value) {
    out_.Key(key);
    out_.String(value);
  }
  void Int(const char* key, int64_t value) {
    if (value == 0) return;
    out_.Key(key);
    out_.Int(value);
  }
  void True(const char* key, bool value) {
    if (!value) return;
    out_.Key(key);
    out_.Bool(true);
  }
  void List(const char* key, const std::vector<std::string>& values) {
    if (!values.empty()) ListAlways(key, values);
  }
  void ListAlways(const char* key, const std::vector<std::string>& values) {
    out_.Key(key);
    out_.BeginArray();
    for (const std::string& value : values) out_.String(value);
    out_.EndArray();
  }
  void Set(const char* key, const std::set<std::string>& values) {
    if (values.empty()) return;
    out_.Key(key);
    out_.BeginObject();
    for (const std::string& value : values) {
      out_.Key(value);
      out_.Raw("{}");
    }
    out_.EndObject();
  }
  void Map(const char* key, const std::map<std::string, std::string>& values) {
    if (values.empty()) return;
    out_.Key(key);
    out_.BeginObject();
    for (const auto& [name, value] : values) {
      out_.Key(name);
      out_.String(value);
    }
    out_.EndObject();
  }

 private:
  GoJsonWriter& out_;
};

void WritePlatform(ObjectWriter& object, const Platform& p) {
  object.TextAlways("architecture", p.architecture);
  object.TextAlways("os", p.os);
  object.Text("os.version", p.os_version);
  object.List("os.features", p.os_features);
  object.Text("variant", p.variant);
}

void WriteConfig(GoJsonWriter& out, const ImageConfig& image) {
  ObjectWriter object(out);
  object.Text("User", image.user);
  object.Set("ExposedPorts", image.exposed_ports);
  object.List("Env", image.env);
  object.List("Entrypoint", image.entrypoint);
  object.List("Cmd", image.cmd);
  object.Set("Volumes", image.volumes);
  object.Text("WorkingDir", image.working_dir);
  object.Map("Labels", image.labels);
  object.Text("StopSignal", image.stop_signal);
  object.True("ArgsEscaped", image.args_escaped);
  if (image.health_check) {
    out.Key("Healthcheck");
    ObjectWriter check(out);
    check.List("Test", image.health_check->test);
    check.Int("Interval", image.health_check->interval_ns);
    check.Int("Timeout", image.health_check->timeout_ns);
    check.Int("StartPeriod", image.health_check->start_period_ns);
    check.Int("StartInterval", image.health_check->start_interval_ns);
    check.Int("Retries", image.health_check->retries);
  }
  object.List("OnBuild", image.onbuild);
  object.List("Shell", image.shell);
}

void WriteHistory(GoJsonWriter& out, const History& history) {
  out.BeginArray();
  for (size_t i = 0; i < history.size(); i++) {
    ObjectWriter object(out);
    object.Text("created", history[i].created);
    object.Text("created_by", history[i].created_by);
    object.Text("author", history[i].author);
    object.Text("comment", history[i].comment);
    object.True("empty_layer", history[i].empty_layer);
  }
  out.EndArray();
}

}  // namespace

void History::Add(HistoryEntry entry) {
  if (!entries_) {
    entries_ = std::make_shared<std::vector<HistoryEntry>>();
  } else if (entries_->size() != size_) {
    entries_ = std::make_shared<std::vector<HistoryEntry>>(entries_->begin(), entries_->begin() + static_cast<ptrdiff_t>(size_));
  }
  entries_->push_back(std::move(entry));
  size_++;
}

void ImageConfig::SetEnv(const std::string& key, const std::string& value) {
  for (std::string& entry : env) {
    if (entry.substr(0, entry.find('=')) != key) continue;
    entry = key + "=" + value;
    return;
  }
  env.push_back(key + "=" + value);
}

bool ImageConfig::HasEnv(std::string_view key) const {
  for (std::string_view entry : env) {
    if (entry.substr(0, entry.find('=')) == key) return true;
  }
  return false;
}

absl::StatusOr<ImageConfig> ParseImageConfig(std::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) return InvalidArgument("invalid JSON");
  ImageConfig image;
  absl::Status status;
  ObjectReader reader(json, status);
  reader.Time("created", image.created);
  reader.Text("author", image.author);
  reader.Text("architecture", image.platform.architecture);
  reader.Text("os", image.platform.os);
  reader.Text("os.version", image.platform.os_version);
  reader.List("os.features", image.platform.os_features);
  reader.Text("variant", image.platform.variant);
  ReadConfig(reader.At("config"), image, status);
  ReadHistory(reader.At("history"), image, status);
  ObjectReader rootfs(reader.At("rootfs"), status);
  rootfs.Text("type", image.rootfs_type);
  if (rootfs.At("diff_ids").is_array()) rootfs.List("diff_ids", image.diff_ids.emplace());
  if (!status.ok()) return status;
  return image;
}

std::string ImageConfigJson(const ImageConfig& image) {
  GoJsonWriter out;
  {
    ObjectWriter object(out);
    object.Text("created", image.created);
    object.Text("author", image.author);
    WritePlatform(object, image.platform);
    out.Key("rootfs");
    {
      ObjectWriter rootfs(out);
      rootfs.TextAlways("type", image.rootfs_type);
      if (image.diff_ids) {
        rootfs.ListAlways("diff_ids", *image.diff_ids);
      } else {
        out.Key("diff_ids");
        out.Null();
      }
    }
    if (image.history.size() > 0) {
      out.Key("history");
      WriteHistory(out, image.history);
    }
    out.Key("config");
    WriteConfig(out, image);
  }
  return out.Take();
}

ImageConfig EmptyImage(const Platform& platform) {
  ImageConfig image;
  image.platform = platform;
  image.rootfs_type = "layers";
  image.working_dir = "/";
  if (platform.os != "windows") image.env = {StrCat("PATH=", DefaultPath(platform.os))};
  return image;
}

std::string PlatformJson(const Platform& platform) {
  GoJsonWriter out;
  {
    ObjectWriter object(out);
    WritePlatform(object, platform);
  }
  return out.Take();
}

std::string_view DefaultPath(std::string_view os) {
  if (os == "windows") return "c:\\Windows\\System32;c:\\Windows;C:\\Windows\\System32\\WindowsPowerShell\\v1.0";
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

}  // namespace bk::dockerfile
