#include "client/solve/cache_stores.h"

#include "base/go_json.h"
#include "base/go_parse.h"
#include "base/log.h"
#include "client/solve/oci_index.h"

namespace bk::client {
namespace {

std::string At(const Attributes& attrs, const std::string& key) {
  auto it = attrs.find(key);
  return it == attrs.end() ? "" : it->second;
}

std::string TagOf(const Attributes& attrs) { return attrs.contains("tag") ? At(attrs, "tag") : "latest"; }

absl::Status OpenExport(const CacheEntry& entry, CacheStores& out) {
  std::string directory = At(entry.attrs, "dest");
  if (directory.empty()) return InvalidArgument("local cache exporter requires dest");
  BK_TRY(out.stores["local:" + directory], BlobStore::Open(directory));
  out.tags[directory] = TagOf(entry.attrs);
  if (!entry.attrs.contains("reset")) return absl::OkStatus();
  auto reset = ParseBool(At(entry.attrs, "reset"));
  if (!reset.ok()) return Annotate(reset.status(), "failed to parse reset attribute");
  return *reset ? Unimplemented("--export-cache type=local,reset=true is not built yet (remove the directory instead)") : absl::OkStatus();
}

// False if the import is to be left out.
absl::StatusOr<bool> OpenImport(CacheEntry& entry, CacheStores& out) {
  std::string directory = At(entry.attrs, "src");
  if (directory.empty()) return InvalidArgument("local cache importer requires src");
  auto skip = [&](const std::string& why) {
    log::Warning(StrCat("local cache import at ", directory, " skipped", why));
    return false;
  };
  if (At(entry.attrs, "digest").empty()) {
    std::string tag = TagOf(entry.attrs);
    if (tag.empty()) return InvalidArgument("local cache importer requires either explicit digest, \"latest\" tag or custom tag on index.json");
    auto found = OciIndex(directory).Find(tag);
    if (!found.ok()) return skip(" due to err: " + Message(found.status()));
    if (!found->has_value()) return skip(": no digest found for tag " + tag);
    entry.attrs["digest"] = (*found)->str();
  }
  auto store = std::make_shared<BlobStore>(directory);
  auto digest = Digest::Parse(entry.attrs["digest"]);
  absl::Status there = digest.ok() ? internal::ToStatus(store->Info(*digest)) : digest.status();
  if (!there.ok()) return skip(StrCat(": digest ", entry.attrs["digest"], " unavailable: ", Message(there)));
  out.stores["local:" + directory] = std::move(store);
  return true;
}

std::string ImportsJson(const std::vector<CacheEntry>& imports) {
  if (imports.empty()) return "";
  GoJsonWriter w;
  w.BeginArray();
  for (const CacheEntry& entry : imports) {
    w.BeginObject();
    w.Key("Type");
    w.String(entry.type);
    if (!entry.attrs.empty()) {
      w.Key("Attrs");
      w.BeginObject();
      for (const auto& [key, value] : entry.attrs) {
        w.Key(key);
        w.String(value);
      }
      w.EndObject();
    }
    w.EndObject();
  }
  w.EndArray();
  return w.Take();
}

}  // namespace

absl::StatusOr<CacheStores> OpenCacheStores(const std::vector<CacheEntry>& exports, std::vector<CacheEntry>& imports) {
  CacheStores out;
  for (const CacheEntry& entry : exports) {
    if (entry.type == "local") BK_RETURN_IF_ERROR(OpenExport(entry, out));
    if (entry.type == "registry" && At(entry.attrs, "ref").empty()) return InvalidArgument("registry cache exporter requires ref");
    out.exports.push_back(entry);
  }
  for (CacheEntry& entry : imports) {
    if (entry.type == "local") {
      BK_TRY(bool usable, OpenImport(entry, out));
      if (!usable) continue;
    }
    if (entry.type == "registry" && At(entry.attrs, "ref").empty()) return InvalidArgument("registry cache importer requires ref");
    out.imports.push_back(entry);
  }
  out.imports_json = ImportsJson(out.imports);
  return out;
}

}  // namespace bk::client
