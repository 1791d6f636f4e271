// How steps are called in progress output.
#include "base/unicode.h"
#include "daemon/frontend/dockerfile/convert/conversion.h"

namespace bk::dockerfile {
namespace {

// What TARGET* variables say; the first of them decides.
std::optional<Platform> PlatformOfEnv(const llb::EnvList& env) {
  Platform platform;
  bool set = false;
  for (const std::string& key : env.Keys()) {
    std::string value(env.Get(key).value_or(""));
    if (key == "TARGETPLATFORM") {
      if (auto parsed = ParsePlatform(value); parsed.ok()) return *parsed;
    } else if (key == "TARGETOS") {
      platform.os = value;
      set = true;
    } else if (key == "TARGETARCH") {
      platform.architecture = value;
      set = true;
    } else if (key == "TARGETVARIANT") {
      platform.variant = value;
      set = true;
    }
  }
  if (!set) return std::nullopt;
  return platform;
}

// "->arm64" when a step runs here for another platform.
std::string CrossTarget(const Platform& base, std::optional<Platform> target) {
  if (!target) return "";
  if (target->os.empty()) target->os = base.os;
  if (target->architecture.empty()) target->architecture = base.architecture;
  Platform normal = NormalizePlatform(*target);
  if (normal.os != base.os) return "->" + FormatPlatformAll(normal);
  if (normal.architecture == base.architecture) return "";
  return "->" + normal.architecture + (normal.variant.empty() ? "" : "/" + normal.variant);
}

}  // namespace

std::string PrefixedName(const Conversion& conversion, StageState& stage, const std::string& text, const std::optional<Platform>& platform,
                         const llb::EnvList& env) {
  if (stage.command_total == 0) return text;
  std::string out = "[";
  if (conversion.options.multi_platform && platform) {
    out += FormatPlatformAll(*platform) + CrossTarget(*platform, PlatformOfEnv(env)) + " ";
  }
  if (!stage.shown_name.empty()) out += stage.shown_name + " ";
  std::string index = std::to_string(++stage.command_index), total = std::to_string(stage.command_total);
  if (index.size() < total.size()) index.insert(0, total.size() - index.size(), ' ');
  out += StrCat(index, "/", total, "] ");
  if (stage.command_is_onbuild) out += "ONBUILD ";
  return out + text;
}

std::string ShownCommand(const Lex& lex, const std::string& code, const Variables& variables) {
  std::string text = lex.Word(code, variables).value_or(code);
  size_t space = text.find(' ');
  return ToUpper(text.substr(0, space)) + (space == std::string::npos ? "" : text.substr(space));
}

}  // namespace bk::dockerfile
