// layers/export: what exporters make of a result, document by document. The result is made of the case's own layers and
// configuration; where files come out, the case is built by the daemon (whole_build.h).
#include <algorithm>  // EXP-006, EXP-010, EXP-011, EXP-020, EXP-034 … EXP-039, EXP-042, SNP-034, INF-034
#include <optional>
#include <set>

#include <re2/re2.h>

#include "base/os/file.h"
#include "base/platform.h"
#include "daemon/exporter/table.h"
#include "daemon/registry/registry.h"
#include "snapshotter/diff/tar.h"
#include "tests/golden/layers/cache_store.h"
#include "tests/golden/layers/export_parts.h"
#include "tests/golden/layers/suites.h"
#include "tests/golden/layers/whole_build.h"
#include "tests/unit/support/fake_session.h"

namespace bk::golden::layers {
namespace {

using Files = std::map<std::string, std::string>;

struct Bench {
  explicit Bench(std::optional<TestStore> with_cache) : cache(std::move(with_cache)) {}
  os::TempDir temp = *os::TempDir::Make("golden-export-");
  std::optional<TestStore> cache;  // for cases with earlier exports, whose blobs it remembers
  std::unique_ptr<content::ContentStore> own_store = *content::ContentStore::Open(temp.path() + "/content");
  content::ContentStore* store = cache ? &cache->store->content() : own_store.get();
  MemoryRegistry server;
  testing::FakeSessions sessions;
  registry::Registry registry{{.hosts = {}, .sessions = &sessions, .content = store, .backoff_ms = 1}};
  exporter::Exporters exporters = exporter::MakeExporters({.content = store, .leases = nullptr, .sessions = &sessions, .registry = &registry, .temp_dir = ""});
};

// The layers whose role begins with `prefix` ("manifest.", "manifest[linux/amd64]."), lowest first.
absl::StatusOr<std::vector<LayerRef::Part>> PartsOf(const Json& expect, const std::string& prefix) {
  std::vector<LayerRef::Part> out;
  Json layers = expect.value("layers", Json::array());
  // A stream is given once; those that depend on the time of the build are not given at all.
  std::map<std::string, std::string> streams;
  for (const Json& layer : layers) {
    if (layer.contains("tar_gz")) streams[layer["diff_id"]] = layer["tar_gz"];
  }
  for (const Json& layer : layers) {
    if (!layer["role"].get<std::string>().starts_with(prefix + ".layer[")) continue;
    std::string tar(1024 + 512 * out.size(), '\0');
    if (auto stream = streams.find(layer["diff_id"]); stream != streams.end()) BK_ASSIGN(tar, Unpack(stream->second));
    out.push_back({std::move(tar), ""});
  }
  return out;
}

absl::StatusOr<cache::ImmutablePtr> RefOf(Bench& bench, std::vector<LayerRef::Part> parts) {
  if (parts.empty()) return nullptr;
  if (!bench.cache) return std::make_shared<LayerRef>(bench.store, std::move(parts));
  cache::ImmutablePtr stored;
  for (const LayerRef::Part& part : parts) BK_ASSIGN(stored, bench.cache->FromStream(stored, part.tar));
  return std::make_shared<StoredRef>(bench.store, std::move(parts), std::move(stored));
}

// The name of a gateway client's step: its first operation.
std::string StepName(const Json& operations) {
  for (const char* kind : {"mkfile", "mkdir", "rm", "copy"}) {
    if (operations[0].contains(kind)) return "step " + operations[0][kind].get<std::string>();
  }
  return "step";
}

// A member of the wanted kind, or an empty one.
Json MapAt(const Json& object, const char* key) { return object.contains(key) && object[key].is_object() ? object[key] : Json::object(); }
Json ListAt(const Json& object, const char* key) { return object.contains(key) && object[key].is_array() ? object[key] : Json::array(); }

// What a gateway client returned.
absl::StatusOr<exporter::Result> GatewayResult(Bench& bench, const Json& c) {
  exporter::Result result;
  Json metadata = MapAt(c["request"], "metadata");
  for (const auto& [key, value] : metadata.items()) result.metadata[key] = value;
  Json refs = ListAt(c["request"], "refs");
  for (const Json& ref : refs) {
    std::string id = ref.value("id", "");
    BK_TRY(auto parts, PartsOf(c["expect"], id.empty() ? "manifest" : "manifest[" + id + "]"));
    Json steps = ListAt(ref, "layers");
    if (parts.empty() && !steps.empty()) BK_ASSIGN(parts, PartsOf(c["expect"], "manifest[linux/amd64]"));  // one image for several
    for (size_t i = 0; i < parts.size() && i < steps.size(); i++) parts[i].description = StepName(steps[i]);
    BK_TRY(cache::ImmutablePtr made, RefOf(bench, std::move(parts)));
    if (id.empty()) {
      result.ref = made;
    } else {
      result.refs[id] = made;
    }
  }
  result.is_map = !result.refs.empty();
  return result;
}

// What the Dockerfile frontend returned: its configurations are those of the expected images, whose patching must not
// change them again.
absl::StatusOr<exporter::Result> DockerfileResult(Bench& bench, const Json& c) {
  exporter::Result result;
  Json documents = c["expect"].value("json", Json::object());
  Json platforms = Json::array();
  for (const auto& [role, text] : documents.items()) {
    if (role == "config") {
      result.metadata["containerimage.config"] = WithTime(text);
    } else if (role.starts_with("config[")) {
      std::string id = role.substr(7, role.size() - 8);
      result.metadata["containerimage.config/" + id] = WithTime(text);
      BK_TRY(auto parts, PartsOf(c["expect"], "manifest[" + id + "]"));
      BK_ASSIGN(result.refs[id], RefOf(bench, std::move(parts)));
    }
  }
  std::string wanted = c["request"]["frontend_attrs"].value("platform", "");
  bool several = wanted.find(',') != std::string::npos || c["request"]["frontend_attrs"].value("multi-platform", "") == "true";
  for (size_t at = 0; several && at < wanted.size();) {
    size_t end = std::min(wanted.find(',', at), wanted.size());
    BK_TRY(Platform platform, ParsePlatform(wanted.substr(at, end - at)));
    Json json = {{"architecture", platform.architecture}, {"os", platform.os}};
    if (!platform.variant.empty()) json["variant"] = platform.variant;
    std::string id = FormatPlatformAll(NormalizePlatform(platform));
    result.refs.try_emplace(id);
    platforms.push_back({{"ID", id}, {"Platform", json}});
    at = end + 1;
  }
  result.is_map = !result.refs.empty();
  if (result.is_map) {
    result.metadata["refs.platforms"] = Json{{"Platforms", platforms}}.dump();
  } else {
    BK_TRY(auto parts, PartsOf(c["expect"], "manifest"));
    BK_ASSIGN(result.ref, RefOf(bench, std::move(parts)));
  }
  if (std::string epoch = c["request"]["frontend_attrs"].value("build-arg:SOURCE_DATE_EPOCH", ""); !epoch.empty()) result.metadata["source.date.epoch"] = epoch;
  return result;
}

struct Archive {
  Files files;
  std::vector<std::string> names;  // in order
  std::set<std::string> headers;
};

absl::StatusOr<Archive> ReadArchive(const std::string& bytes) {
  Archive out;
  diff::StringSource source(bytes);
  diff::TarReader reader(source);
  diff::TarHeader header;
  while (true) {
    BK_TRY(bool more, reader.Next(header));
    if (!more) return out;
    std::string data(static_cast<size_t>(header.size_bytes), '\0');
    for (size_t at = 0; at < data.size();) {
      BK_TRY(size_t n, reader.Read(data.data() + at, data.size() - at));
      if (n == 0) return DataLoss("truncated archive");
      at += n;
    }
    char mode[16];
    std::snprintf(mode, sizeof mode, "0%o", static_cast<unsigned>(header.mode));
    out.headers.insert(StrCat(header.type == '5' ? "dir" : "file", " mode=", mode, " mtime=", header.mtime.seconds, " uid=", header.uid, " gid=", header.gid));
    out.names.push_back(header.name);
    out.files[header.name] = std::move(data);
  }
}

std::string PathOf(const std::string& digest) { return "blobs/sha256/" + digest.substr(7); }

// Documents and blobs by role, found from the root on.
absl::Status FindRoles(const std::string& root, const std::function<std::string(const std::string&)>& read, std::map<std::string, std::string>& digests) {
  auto add_image = [&](const std::string& suffix, const std::string& digest) -> absl::Status {
    digests["manifest" + suffix] = digest;
    Json manifest = Json::parse(read(digest), nullptr, false);
    if (!manifest.is_object()) return DataLoss("manifest ", digest, " is missing");
    digests["config" + suffix] = manifest["config"]["digest"];
    Json layers = ListAt(manifest, "layers");
    for (size_t i = 0; i < layers.size(); i++) digests[StrCat("manifest", suffix, ".layer[", i, "]")] = layers[i]["digest"];
    return absl::OkStatus();
  };
  Json document = Json::parse(read(root), nullptr, false);
  if (!document.is_object()) return DataLoss("root ", root, " is missing");
  if (!document.contains("manifests")) return add_image("", root);
  digests["index"] = root;
  for (const Json& entry : document["manifests"]) {
    // Roles are named by the platforms that were asked for; two platforms may share one image.
    const Json& platform = entry["platform"];
    std::string id = platform["os"].get<std::string>() + "/" + platform["architecture"].get<std::string>();
    if (platform.contains("variant")) id += "/" + platform["variant"].get<std::string>();
    BK_RETURN_IF_ERROR(add_image("[" + id + "]", entry["digest"]));
  }
  return absl::OkStatus();
}

absl::Status CheckDocuments(const Json& expect, const std::string& root, const std::function<std::string(const std::string&)>& read, const Files& named, Bench& bench, std::map<std::string, std::string>& digests) {
  BK_RETURN_IF_ERROR(FindRoles(root, read, digests));
  Json documents = expect.value("json", Json::object());
  for (const auto& [role, text] : documents.items()) {
    std::string want = text.get<std::string>();
    if (role.starts_with("tag:") || role.starts_with("digest:")) {
      auto tags = bench.server.tags();
      auto found = tags.find(role.starts_with("tag:") ? role.substr(4) : role.substr(7) + "@");
      BK_RETURN_IF_ERROR(ExpectPattern(role, found == tags.end() ? "absent" : found->second, want));
    } else if (digests.contains(role)) {
      BK_RETURN_IF_ERROR(ExpectPattern(role, read(digests[role]), want));
    } else if (named.contains(role)) {
      BK_RETURN_IF_ERROR(ExpectPattern(role, named.at(role), want));
    } else if (role != "index.json" && role != "oci-layout") {  // of a store: the client writes these
      return NotFound("no document with the role ", role);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFiles(const Json& expect, const Archive& archive, const std::map<std::string, std::string>& digests) {
  Json got = Json::array(), want = Json::array();
  for (const std::string& name : archive.names) got.push_back(name);
  for (const Json& name : expect["files"]) {
    std::string text = name;
    if (text.starts_with("blob:")) {
      auto digest = digests.find(text.substr(5));
      if (digest == digests.end()) return NotFound("no blob with the role ", text);
      text = PathOf(digest->second);
    }
    want.push_back(text);
  }
  if (!expect.value("files_in_order", false)) {
    std::sort(got.begin(), got.end());
    std::sort(want.begin(), want.end());
  }
  BK_RETURN_IF_ERROR(ExpectJson("files", got, want));
  if (!expect.contains("tar_headers")) return absl::OkStatus();
  return ExpectJson("tar_headers", Json(archive.headers), expect["tar_headers"]);
}

absl::Status CheckResponse(const Json& expect, const std::map<std::string, std::string>& response) {
  constexpr std::string_view kDecoded = " (decoded)";
  Json wanted = expect.value("response", Json::object());
  if (!expect.contains("json")) {
    // Such a case does not tell what the image is made of.
    std::string text = wanted.dump();
    RE2::GlobalReplace(&text, "sha256:[0-9a-f]{64}", "$DIGEST{}");
    RE2::GlobalReplace(&text, "\\\\\"size\\\\\":[0-9]+", "\\\\\"size\\\\\":$SIZE{}");
    wanted = Json::parse(text);
  }
  if (wanted.size() != response.size()) return Internal("response has ", response.size(), " keys, want ", wanted.size());
  for (const auto& [name, text] : wanted.items()) {
    std::string key = name;
    bool decoded = key.ends_with(kDecoded);
    if (decoded) key.resize(key.size() - kDecoded.size());
    auto value = response.find(key);
    if (value == response.end()) return NotFound("no ", key, " in the response");
    std::string got = decoded ? Base64Decode(value->second).value_or("") : value->second;
    BK_RETURN_IF_ERROR(ExpectPattern(name, got, text.get<std::string>()));
  }
  return absl::OkStatus();
}

std::map<std::string, std::string> AttrsOf(const Json& object) {
  std::map<std::string, std::string> attrs;
  for (const auto& [key, value] : object.items()) attrs[key] = value;
  return attrs;
}

absl::StatusOr<exporter::ExportOutcome> Export(Bench& bench, const Json& c) {
  const Json& request = c["request"];
  BK_TRY(auto instance, bench.exporters[request["exporter"]["type"]]->Resolve(AttrsOf(request["exporter"]["attrs"])));
  BK_TRY(exporter::Result result, request["frontend"] == "dockerfile.v0" ? DockerfileResult(bench, c) : GatewayResult(bench, c));
  exporter::ExportContext context{bench.sessions.client->id(), "0", {}};
  context.compatibility_version = request.value("compatibility_version", 30);
  for (const Json& earlier : ListAt(request, "earlier_exports")) {
    BK_TRY(auto first, bench.exporters["oci"]->Resolve(AttrsOf(earlier)));
    BK_RETURN_IF_ERROR(first->Export(CancelToken::Never(), result, context).status());
  }
  return instance->Export(CancelToken::Never(), result, context);
}

}  // namespace

absl::Status RunExport(const Json& given, const std::string&) {
  std::string type = given["request"]["exporter"]["type"];
  if (type == "local" || type == "tar") return RunWholeBuild(given);
  std::optional<TestStore> cache;
  if (given["request"].contains("earlier_exports")) BK_ASSIGN(cache, TestStore::Make("native"));
  Bench bench(std::move(cache));
  // The registry that the cases speak of listens elsewhere here.
  std::string text = given.dump();
  for (size_t at; (at = text.find("127.0.0.1:15983")) != std::string::npos;) text.replace(at, 15, bench.server.host());
  Json c = Json::parse(text);
  const Json& expect = c["expect"];
  auto outcome = Export(bench, c);
  if (expect.contains("error")) {
    std::string want = expect["error"];
    if (want.starts_with("failed to solve: ")) want.erase(0, 17);
    return ExpectText("error", Message(outcome.status()), want);
  }
  BK_RETURN_IF_ERROR(outcome.status());
  BK_RETURN_IF_ERROR(CheckResponse(expect, outcome->response));
  std::string root = outcome->response["containerimage.digest"];
  std::map<std::string, std::string> digests;
  if (c["request"]["exporter"]["type"] == "image") {
    return CheckDocuments(expect, root, [&](const std::string& digest) { return bench.store->Read(*Digest::Parse(digest), 1 << 24).value_or(""); }, {}, bench, digests);
  }
  if (bench.sessions.client->sent.empty()) {
    Files blobs = bench.sessions.client->blobs.With([](Files& b) { return b; });
    return CheckDocuments(expect, root, [&](const std::string& digest) { return blobs[digest]; }, {}, bench, digests);
  }
  BK_TRY(Archive archive, ReadArchive(bench.sessions.client->sent));
  BK_RETURN_IF_ERROR(CheckDocuments(expect, root, [&](const std::string& digest) { return archive.files[PathOf(digest)]; }, archive.files, bench, digests));
  return CheckFiles(expect, archive, digests);
}

}  // namespace bk::golden::layers
