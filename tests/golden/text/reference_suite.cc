#include "base/package_url.h"  // text/reference: INF-017
#include "base/reference.h"
#include "tests/golden/text/suites.h"

namespace bk::golden::text {
namespace {

void SourceFields(const SourceReference& ref, Json& out) {
  out["locator"] = ref.locator;
  out["object"] = ref.object;
  out["hostname"] = ref.hostname();
  out["digest"] = ref.digest_text();
  out["string"] = ref.str();
}

Json UserName(const std::string& text) {
  Json out = Json::object();
  auto parsed = ImageReference::Parse(text);
  if (!parsed.ok()) {
    out["error"] = out["docker_ref_error"] = Message(parsed.status());
  } else {
    out["normalized"] = parsed->str();
    out["repository"] = parsed->name();
    out["domain"] = parsed->domain();
    out["path"] = parsed->path();
    out["familiar_name"] = parsed->familiar_name();
    out["familiar_string"] = parsed->familiar();
    out["name_only"] = parsed->name_only();
    out["tag_name_only"] = parsed->WithDefaultTag().str();
    out["docker_ref"] = parsed->ForRegistry().str();
    if (!parsed->tag().empty()) out["tag"] = parsed->tag();
    if (!parsed->digest().empty()) out["digest"] = parsed->digest().str();
  }
  auto source = SourceReference::ParseWithObject(text);
  if (source.ok()) {
    SourceFields(*source, out["source"]);
    out["source"]["string"] = "docker-image://" + source->str();
  } else {
    out["source_error"] = Message(source.status());
  }
  return out;
}

Json IdentifierPart(const std::string& text) {
  Json out = Json::object();
  auto parsed = SourceReference::Parse(text);
  if (parsed.ok()) {
    SourceFields(*parsed, out);
  } else {
    out["error"] = Message(parsed.status());
  }
  auto with_object = SourceReference::ParseWithObject(text);
  if (with_object.ok()) {
    out["blob"] = "docker-image+blob://" + with_object->str();
    out["oci_layout"] = "oci-layout://" + with_object->str();
  } else {
    out["blob_error"] = out["oci_layout_error"] = Message(with_object.status());
  }
  return out;
}

Json PackageUrl(const std::string& ref, const std::string& platform) {
  std::optional<Platform> parsed;
  if (!platform.empty()) parsed = *ParsePlatform(platform);
  auto purl = ImagePackageUrl("docker", ref, parsed);
  if (!purl.ok()) return {{"error", Message(purl.status())}};
  Json out = {{"purl", *purl}};
  auto back = ParseImagePackageUrl(*purl);
  if (!back.ok()) return {{"back_error", Message(back.status())}};
  out["back_ref"] = back->ref;
  if (back->platform) out["back_platform"] = FormatPlatformAll(*back->platform);
  return out;
}

}  // namespace

absl::Status RunReference(const Json& c, const std::string&) {
  const Json& input = c["input"];
  Json got;
  if (input.contains("ref")) {
    got = UserName(Text(input["ref"]));
  } else if (input.contains("source_ref")) {
    got = IdentifierPart(Text(input["source_ref"]));
  } else {
    got = PackageUrl(Text(input["purl_of"]), Text(input["platform"]));
  }
  return ExpectJson("reference", got, c["expect"]);
}

}  // namespace bk::golden::text
