#include "tests/golden/dockerfile/stub_bridge.h"

#include <algorithm>
#include <ctime>
#include <fstream>

#include "base/reference.h"
#include "tests/golden/dockerfile/suites.h"

namespace bk::golden::dockerfile {

std::string StubRef::Key() const {
  std::string key;
  bool file = false;
  for (const std::string& bytes : definition_->def()) {
    pb::Op op;
    op.ParseFromString(bytes);
    if (op.has_source()) key = op.source().identifier();
    file = file || op.has_file();
  }
  return key + (file ? "!file" : "");
}

StubBridge::StubBridge(const Json& input, const std::string& dir) : input_(input) {
  std::ifstream in(dir + "/images.jsonl");
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) images_.push_back(Json::parse(line));
  }
}

absl::StatusOr<frontend::Result> StubBridge::Solve(const CancelToken&, const frontend::SolveRequest& request) {
  frontend::Result result;
  if (!request.frontend.empty()) {
    Json inputs = Json::object();
    for (const auto& [name, ignored] : request.frontend_inputs) inputs[name] = true;
    forwarded_.push_back({{"frontend", request.frontend}, {"frontend_opt", request.frontend_opts}, {"frontend_inputs", inputs}});
    return result;
  }
  auto ref = std::make_shared<StubRef>(request.definition, request.cache_imports, request.evaluate);
  refs_.push_back(ref);
  result.ref = ref;
  return result;
}

absl::StatusOr<std::string> StubBridge::ReadFile(const CancelToken&, frontend::Ref& given, const std::string& path, int64_t offset, int64_t length) {
  BK_TRY(std::string all, WholeFile(given, path));
  size_t from = std::min(static_cast<size_t>(offset), all.size());
  return all.substr(from, length < 0 ? std::string::npos : static_cast<size_t>(length));
}

absl::StatusOr<std::string> StubBridge::WholeFile(frontend::Ref& given, const std::string& path) {
  auto& ref = static_cast<StubRef&>(given);
  ref.was_read = true;
  std::string key = ref.Key() + "|" + path;
  for (const char* list : {"files", "files_b64"}) {
    if (input_.contains(list) && input_[list].contains(key)) {
      Json holder = {{std::string(list) == "files" ? "v" : "v_b64", input_[list][key]}};
      return Bytes(holder, "v");
    }
  }
  Json opts = input_.value("opts", Json::object());
  std::string dockerfile = "local://" + opts.value("dockerfilekey", "dockerfile") + "|" + opts.value("filename", "Dockerfile");
  bool has_dockerfile = input_.contains("dockerfile") || input_.contains("dockerfile_b64") || input_.contains("recipe");
  if (key == dockerfile && has_dockerfile) return DockerfileOf(input_);
  if (key == "local://context|.dockerignore" && input_.contains("dockerignore")) return input_["dockerignore"].get<std::string>();
  return NotFound("open ", path, ": no such file or directory");
}

absl::StatusOr<frontend::Bridge::ImageConfig> StubBridge::ResolveImageConfig(const CancelToken&, const std::string& ref, const ResolveOptions& options) {
  std::string platform = options.platform ? FormatPlatformAll(*options.platform) : "";
  Json asked = {{"ref", ref}, {"log_name", options.log_name}, {"resolve_mode", options.resolve_mode}};
  if (!platform.empty()) asked["platform"] = platform;
  if (!options.store_id.empty()) {
    asked["oci_store"] = {{"session", options.session_id}, {"store", options.store_id}};
    asked.erase("resolve_mode");
  }
  resolves_.With([&](auto& list) { list.push_back(asked); });
  // Every store of the client holds the plain image.
  std::string name = options.store_id.empty() ? ref.substr(0, ref.find('@')) : "plain";
  if (auto parsed = ImageReference::Parse(name); parsed.ok()) name = parsed->WithDefaultTag().str();
  for (const Json& image : images_) {
    if (image["name"] != name) continue;
    ImageConfig config{ref, image["digest"].get<std::string>(), ""};
    if (image.contains("config")) {
      config.config = image["config"].get<std::string>();
      return config;
    }
    for (const auto& [key, text] : image["by_platform"].items()) {
      auto offered = ParsePlatform(key);
      Platform wanted = NormalizePlatform(options.platform.value_or(HostPlatform()));
      if (offered.ok() && FormatPlatform(NormalizePlatform(*offered)) == FormatPlatform(wanted)) {
        config.config = text.get<std::string>();
        return config;
      }
    }
    return NotFound("no match for platform in manifest: not found");
  }
  return NotFound(ref, ": not found");
}

absl::StatusOr<frontend::SourceMetadata> StubBridge::ResolveSourceMeta(const CancelToken&, const pb::SourceOp& source, const ResolveOptions& options) {
  Json attrs = nullptr;
  for (const auto& [key, value] : source.attrs()) attrs[key] = value;
  Json asked = {{"attrs", attrs}, {"identifier", source.identifier()}, {"log_name", options.log_name}};
  if (options.git_objects) asked["git_return_object"] = true;
  metadata_requests_.push_back(asked);
  frontend::SourceMetadata out;
  out.identifier = source.identifier();
  // "git:COMMIT OBJECT" or "http:LAST-MODIFIED"
  std::string known = input_.value("source_metadata", Json::object()).value(source.identifier(), "");
  if (known.starts_with("git:")) out.git.emplace().commit_object = known.substr(4);
  if (known.starts_with("http:")) {
    auto& http = out.http.emplace();
    std::tm parts{};
    if (strptime(known.c_str() + 5, "%Y-%m-%dT%H:%M:%SZ", &parts) != nullptr) http.last_modified_s = timegm(&parts);
  }
  return out;
}

absl::Status StubBridge::Warn(const Digest& vertex, const solver::WarningEvent& warning) {
  Json ranges = Json::array();
  for (const auto& r : warning.ranges) ranges.push_back({r.start_line, r.start_character, r.end_line, r.end_character});
  pb::SourceInfo info;
  // A warning belongs to the step that loads the file it speaks of.
  if (!info.ParseFromString(warning.source_info) || info.filename().empty()) return InvalidArgument("a warning without source");
  auto same = [&](const std::string& bytes) { return DigestOf(bytes) == vertex; };
  if (std::none_of(info.definition().def().begin(), info.definition().def().end(), same)) return InvalidArgument("a warning of a step that is unknown");
  warnings_.push_back({{"detail", warning.detail}, {"level", warning.level}, {"ranges", ranges}, {"short", warning.short_text}, {"url", warning.url}});
  return absl::OkStatus();
}

std::vector<frontend::WorkerInfo> StubBridge::Workers() const {
  frontend::WorkerInfo worker;
  worker.id = "worker";
  for (const auto& text : input_.value("worker_platforms", Json::array({"linux/amd64"}))) {
    if (auto platform = ParsePlatform(text.get<std::string>()); platform.ok()) worker.platforms.push_back(NormalizePlatform(*platform));
  }
  return {worker};
}

Json StubBridge::Resolves() const {
  return resolves_.With([](const std::vector<Json>& list) {
    std::vector<nlohmann::json> sorted(list.begin(), list.end());
    auto key = [](const nlohmann::json& j) { return j.dump(); };
    std::sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
    Json out = Json::array();
    for (const auto& item : sorted) out.push_back(Json(item));
    return out;
  });
}

}  // namespace bk::golden::dockerfile
