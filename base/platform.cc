#include "base/platform.h"

#include <sys/utsname.h>

#include <algorithm>

#include "base/go_url.h"
#include "base/path.h"
#include "base/unicode.h"

namespace bk {
namespace {

constexpr std::string_view kWord = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

bool Only(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return kWord.find(c) != std::string_view::npos || extra.find(c) != std::string_view::npos;
  });
}

bool OneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool IsKnownOs(std::string_view os) {
  return OneOf(os, {"aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl", "netbsd",
                    "openbsd", "plan9", "solaris", "windows", "zos"});
}

bool IsKnownArch(std::string_view arch) {
  return OneOf(arch, {"386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "ppc64", "ppc64le", "loong64", "mips", "mipsle",
                      "mips64", "mips64le", "mips64p32", "mips64p32le", "ppc", "riscv", "riscv64", "s390", "s390x", "sparc", "sparc64",
                      "wasm"});
}

std::string NormalizeOs(std::string_view os) {
  if (os.empty()) return "linux";
  std::string lower = ToLower(os);
  return lower == "macos" ? "darwin" : lower;
}

void NormalizeArch(std::string& arch, std::string& variant) {
  arch = ToLower(arch);
  variant = ToLower(variant);
  if (arch == "i386") {
    arch = "386";
    variant.clear();
  } else if (OneOf(arch, {"x86_64", "x86-64", "amd64"})) {
    arch = "amd64";
    if (variant == "v1") variant.clear();
  } else if (OneOf(arch, {"aarch64", "arm64"})) {
    arch = "arm64";
    if (OneOf(variant, {"8", "v8", "v8.0"})) variant.clear();
    if (OneOf(variant, {"9", "9.0", "v9.0"})) variant = "v9";
  } else if (arch == "armhf" || arch == "armel") {
    variant = arch == "armhf" ? "v7" : "v6";
    arch = "arm";
  } else if (arch == "arm") {
    if (variant.empty() || variant == "7") variant = "v7";
    if (OneOf(variant, {"5", "6", "8"})) variant.insert(0, "v");
  }
}

// Options of the OS component are percent-encoded where they would be taken for syntax.
std::string EncodeOption(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (unsigned char c : text) {
    if (std::string_view("%+()/").find(static_cast<char>(c)) == std::string_view::npos) {
      out += static_cast<char>(c);
    } else {
      out += {'%', kHex[c >> 4], kHex[c & 15]};
    }
  }
  return out;
}

// "<os>[(<version>[+<feature>]…)]"
absl::Status ParseOs(std::string_view part, std::string_view whole, Platform& out) {
  auto bad = [&] {
    return InvalidArgument(Quote(part), " is an invalid OS component of ", Quote(whole), ": OSAndVersion specifier component must match ",
                           Quote(R"(^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$)"), ": invalid argument");
  };
  size_t open = part.find('(');
  std::string_view os = part.substr(0, open);
  if (os.empty() || !Only(os, "")) return bad();
  out.os = NormalizeOs(os);
  if (open == std::string_view::npos) return absl::OkStatus();
  if (!part.ends_with(')')) return bad();
  std::string_view options = part.substr(open + 1, part.size() - open - 2);
  for (bool version = true;; version = false) {
    size_t plus = options.find('+');
    std::string_view option = options.substr(0, plus);
    if (!Only(option, ".%") || (!version && option.empty())) return bad();
    auto decoded = PathUnescape(option);
    if (!decoded.ok()) {
      if (version) return Annotate(decoded.status(), StrCat(Quote(whole), " has an invalid OS version ", Quote(option)));
      return Annotate(decoded.status(), StrCat(Quote(whole), " has invalid OS features: invalid os feature ", Quote(option)));
    }
    if (version) {
      out.os_version = *decoded;
    } else if (!decoded->empty()) {
      out.os_features.push_back(*decoded);
    }
    if (plus == std::string_view::npos) return absl::OkStatus();
    options.remove_prefix(plus + 1);
  }
}

}  // namespace

absl::StatusOr<Platform> ParsePlatform(std::string_view text) {
  if (text.find('*') != std::string_view::npos) return InvalidArgument(Quote(text), ": wildcards not yet supported: invalid argument");
  std::vector<std::string> parts;
  for (std::string_view rest = text; parts.size() < 4;) {
    size_t slash = parts.size() == 3 ? std::string_view::npos : rest.find('/');
    parts.emplace_back(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  Platform p;
  BK_RETURN_IF_ERROR(ParseOs(parts[0], text, p));
  for (size_t i = 1; i < parts.size(); i++) {
    if (!parts[i].empty() && Only(parts[i], ".")) continue;
    return InvalidArgument(Quote(parts[i]), " is an invalid component of ", Quote(text), ": platform specifier component must match ",
                           Quote("^[A-Za-z0-9_.-]+$"), ": invalid argument");
  }
  if (parts.size() == 1) {
    Platform host = HostPlatform();
    if (IsKnownOs(p.os)) {
      p.architecture = host.architecture;
      if (host.architecture == "arm" && host.variant != "v7") p.variant = host.variant;
      return p;
    }
    p.architecture = parts[0];
    NormalizeArch(p.architecture, p.variant);
    if (p.architecture == "arm" && p.variant == "v7") p.variant.clear();
    if (!IsKnownArch(p.architecture)) return InvalidArgument(Quote(text), ": unknown operating system or architecture: invalid argument");
    p.os = host.os;
    return p;
  }
  if (parts.size() > 3) return InvalidArgument(Quote(text), ": cannot parse platform specifier: invalid argument");
  p.architecture = parts[1];
  if (parts.size() == 3) p.variant = parts[2];
  NormalizeArch(p.architecture, p.variant);
  if (parts.size() == 2 && p.architecture == "arm" && p.variant == "v7") p.variant.clear();
  if (parts.size() == 3 && p.architecture == "arm64" && p.variant.empty()) p.variant = "v8";
  return p;
}

std::string FormatPlatform(const Platform& p) {
  if (p.os.empty()) return "unknown";
  return JoinPath(p.os, p.architecture, p.variant);
}

std::string FormatPlatformAll(const Platform& p) {
  if (p.os.empty()) return "unknown";
  std::vector<std::string> features = p.os_features;
  std::sort(features.begin(), features.end());
  features.erase(std::unique(features.begin(), features.end()), features.end());
  std::string options = EncodeOption(p.os_version);
  for (const std::string& feature : features) {
    if (!feature.empty()) options += "+" + EncodeOption(feature);
  }
  return JoinPath(options.empty() ? p.os : StrCat(p.os, "(", options, ")"), p.architecture, p.variant);
}

Platform NormalizePlatform(Platform p) {
  p.os = NormalizeOs(p.os);
  NormalizeArch(p.architecture, p.variant);
  std::sort(p.os_features.begin(), p.os_features.end());
  p.os_features.erase(std::unique(p.os_features.begin(), p.os_features.end()), p.os_features.end());
  return p;
}

Platform HostPlatform() {
  utsname name{};
  uname(&name);
  Platform p;
  p.os = "linux";
  p.architecture = name.machine;
  // A 32-bit ARM kernel says armv7l and the like.
  if (p.architecture.starts_with("armv")) {
    p.variant = p.architecture.substr(3, 2);
    p.architecture = "arm";
  }
  if (p.architecture == "i686") p.architecture = "386";
  if (p.architecture == "loongarch64") p.architecture = "loong64";
  return NormalizePlatform(p);
}

}  // namespace bk
