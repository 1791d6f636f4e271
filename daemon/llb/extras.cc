#include "daemon/llb/extras.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/go_parse.h"
#include "base/reference.h"

namespace bk::llb {
namespace {

using Attrs = std::map<std::string, std::string>;

constexpr std::string_view kCacheTypes[] = {"registry", "local", "s3", "azblob", "gha"};

std::string LowerCase(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

std::optional<std::string> AttestationType(const std::string& key) {
  for (std::string_view prefix : {"attest:", "build-arg:BUILDKIT_ATTEST_"}) {
    if (key.starts_with(prefix)) return LowerCase(key.substr(prefix.size()));
  }
  return std::nullopt;
}

absl::StatusOr<Attrs> ParseFields(const std::string& type, const std::string& text) {
  Attrs attrs;
  if (text.empty()) return attrs;
  auto fields = ParseCsvLine(text);
  if (!fields.ok()) return Annotate(fields.status(), StrCat("failed to parse ", type));
  for (const std::string& field : *fields) {
    size_t equals = field.find('=');
    attrs[field.substr(0, equals)] = equals == std::string::npos ? "" : field.substr(equals + 1);
  }
  return attrs;
}

std::string Get(const Attrs& attrs, const std::string& key, const std::string& otherwise = "") {
  auto found = attrs.find(key);
  return found == attrs.end() ? otherwise : found->second;
}

absl::StatusOr<std::optional<std::string>> CheckProvenance(const Attrs& attrs) {
  std::string version = Get(attrs, "version", "v1");
  if (version != "v1" && version != "v0.2") return Unknown("invalid provenance SLSA version: ", version);
  std::string mode = Get(attrs, "mode", "max");
  if (mode != "max" && mode != "full" && mode != "min") return Unknown("invalid mode ", Quote(mode));
  if (attrs.contains("reproducible")) {
    auto value = ParseBool(Get(attrs, "reproducible"));
    if (!value.ok()) return Annotate(value.status(), StrCat("failed to parse reproducible flag ", Quote(Get(attrs, "reproducible"))));
  }
  // Without an attestation in the image it only concerns the history.
  auto inline_only = ParseBool(Get(attrs, "inline-only"));
  if (mode == "min" && inline_only.ok() && *inline_only) return std::nullopt;
  return StrCat("provenance attestation (mode=", mode, ") is not built yet: the result has none");
}

absl::StatusOr<std::optional<std::string>> CheckSbom(const Attrs& attrs) {
  std::string generator = Get(attrs, "generator", "docker/buildkit-syft-scanner:stable-1");
  if (generator.empty()) return Unknown("sbom generator cannot be empty");
  auto parsed = ImageReference::Parse(generator);
  if (!parsed.ok()) return Annotate(parsed.status(), StrCat("failed to parse sbom generator ", generator));
  return "SBOM attestation is not built yet: the result has none";
}

}  // namespace

absl::StatusOr<std::vector<std::string>> CheckAttestations(const Attrs& attrs) {
  std::vector<std::string> notices;
  for (const auto& [key, value] : attrs) {
    std::optional<std::string> type = AttestationType(key);
    if (!type) continue;
    BK_TRY(Attrs fields, ParseFields(*type, value));
    std::optional<std::string> notice;
    if (*type == "provenance") {
      BK_ASSIGN(notice, CheckProvenance(fields));
    } else if (*type == "sbom") {
      BK_ASSIGN(notice, CheckSbom(fields));
    } else {
      return Unknown("unknown attestation type ", Quote(*type));
    }
    if (notice) notices.push_back(*std::move(notice));
  }
  return notices;
}

absl::StatusOr<std::vector<std::string>> CheckCacheExports(const std::vector<frontend::CacheImport>& exports) {
  std::vector<std::string> notices;
  std::set<std::pair<std::string, Attrs>> seen;
  for (const frontend::CacheImport& entry : exports) {
    if (entry.type == "inline") return Unimplemented("cache export of type inline is not built yet");
    if (std::find(std::begin(kCacheTypes), std::end(kCacheTypes), entry.type) == std::end(kCacheTypes)) {
      return Unknown("unknown cache exporter: ", Quote(entry.type));
    }
    std::string ref = entry.type == "registry" ? Get(entry.attrs, "ref") : "";
    auto key = ref.empty() ? std::pair(entry.type, entry.attrs) : std::pair(ref, Attrs());
    if (!seen.insert(std::move(key)).second) return Unknown("duplicate cache exports [", entry.type, "]");
    notices.push_back(StrCat("exporting cache of type ", entry.type, " is not built yet: no cache is written"));
  }
  return notices;
}

}  // namespace bk::llb
