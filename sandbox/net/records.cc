#include "sandbox/net/records.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/os/file.h"
#include "sandbox/net/pinned_namespace.h"

namespace bk::net {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kRecord(".json"), kBridge("bridge.name");

std::string RecordPath(const std::string& dir, const std::string& id) { return StrCat(dir, "/", id, kRecord); }

absl::Status Save(const std::string& dir, const NetworkRecord& record) {
  return os::WriteFileAtomic(RecordPath(dir, record.attachment.id), RecordJson(record), 0600, false);
}

void RemoveNotedBridge(const std::string& dir) {
  std::string path = StrCat(dir, "/", kBridge);
  auto name = os::ReadFile(path, 64);
  if (!name.ok()) return;
  if (absl::Status removed = RemoveBridge(*name); !removed.ok()) log::Warning("the bridge of steps cannot be removed", {{"error", Message(removed)}});
  unlink(path.c_str());
}

}  // namespace

std::string RecordJson(const NetworkRecord& record) {
  const Attachment& to = record.attachment;
  return Json{{"list", NetworkListJson(record.list)}, {"hostname", to.hostname}, {"dirs", to.plugin_dirs}, {"result", record.result}}.dump();
}

absl::StatusOr<NetworkRecord> ParseRecord(const std::string& json) {
  Json top = Json::parse(json, nullptr, false);
  if (!top.is_object()) return InvalidArgument("no JSON object");
  auto text = [&](const char* key) { return top.contains(key) && top[key].is_string() ? top[key].get<std::string>() : std::string(); };
  NetworkRecord record;
  BK_ASSIGN(record.list, ParseNetworkList(text("list"), true));
  record.attachment.hostname = text("hostname");
  for (const Json& dir : top.contains("dirs") ? top["dirs"] : Json::array()) {
    if (dir.is_string()) record.attachment.plugin_dirs.push_back(dir);
  }
  record.result = text("result");
  return record;
}

absl::Status MakeNetwork(const CancelToken& cancel, const std::string& dir, NetworkRecord record) {
  BK_RETURN_IF_ERROR(os::MakeDirs(dir, 0700));
  BK_RETURN_IF_ERROR(Save(dir, record));
  absl::Status made = PinNewNamespace(record.attachment.netns);
  if (made.ok()) {
    auto result = AddNetwork(cancel, record.list, record.attachment);
    made = result.status();
    if (result.ok()) {
      record.result = *std::move(result);
      made = Save(dir, record);
    }
  }
  if (made.ok()) return made;
  RemoveNetwork(dir, record.attachment.id);
  BK_RETURN_IF_ERROR(cancel.Check());
  return Unknown("CNI setup error: ", Message(made));
}

void RemoveNetwork(const std::string& dir, const std::string& id) {
  std::string pin = StrCat(dir, "/", id);
  if (auto text = os::ReadFile(RecordPath(dir, id), 1 << 20); text.ok()) {
    auto record = ParseRecord(*text);
    absl::Status removed = record.status();
    if (record.ok()) {
      record->attachment.id = id;
      record->attachment.netns = IsPinned(pin) ? pin : "";
      removed = DelNetwork(record->list, record->attachment, record->result);
    }
    if (!removed.ok()) log::Warning("a network of steps was not taken away cleanly", {{"network", id}, {"error", Message(removed)}});
  }
  if (absl::Status unpinned = Unpin(pin); !unpinned.ok()) log::Warning("a network namespace of steps stays", {{"network", id}, {"error", Message(unpinned)}});
  unlink(RecordPath(dir, id).c_str());
}

void RemoveNetworks(const std::string& dir) {
  auto names = os::ListDir(dir);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (name == kBridge) continue;
    RemoveNetwork(dir, name.ends_with(kRecord) ? name.substr(0, name.size() - kRecord.size()) : name);
  }
  RemoveNotedBridge(dir);
}

absl::Status NoteBridge(const std::string& dir, const std::string& name) {
  BK_RETURN_IF_ERROR(os::MakeDirs(dir, 0700));
  return os::WriteFileAtomic(StrCat(dir, "/", kBridge), name, 0600, false);
}

}  // namespace bk::net
