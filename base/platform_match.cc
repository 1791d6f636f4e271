#include "base/platform_match.h"

#include <algorithm>
#include <charconv>

namespace bk {
namespace {

constexpr int kMaxVariantNumber = 99;  // bounds the list made from a client's text
constexpr uint16_t kWindowsLtsc2022 = 20348, kWindowsLtsc2025 = 26100;

struct WindowsVersion {
  uint8_t major = 0, minor = 0;
  uint16_t build = 0;
  bool empty() const { return major == 0 && minor == 0 && build == 0; }
};

template <typename Number>
bool TakeNumber(std::string_view& text, Number& out) {
  size_t dot = std::min(text.find('.'), text.size());
  auto [end, error] = std::from_chars(text.data(), text.data() + dot, out);
  bool whole = error == std::errc() && end == text.data() + dot;
  text.remove_prefix(std::min(dot + 1, text.size()));
  return whole;
}

WindowsVersion ParseWindowsVersion(std::string_view text) {
  if (std::count(text.begin(), text.end(), '.') < 2) return {};
  WindowsVersion v;
  return TakeNumber(text, v.major) && TakeNumber(text, v.minor) && TakeNumber(text, v.build) ? v : WindowsVersion{};
}

// Since LTSC 2022 a host runs every build from the LTSC before its own on; older hosts run their own build only.
bool WindowsRuns(const WindowsVersion& host, std::string_view offered_text) {
  if (host.empty() || offered_text.empty()) return true;
  WindowsVersion offered = ParseWindowsVersion(offered_text);
  if (host.major != offered.major || host.minor != offered.minor) return false;
  if (host.build < kWindowsLtsc2022) return host.build == offered.build;
  uint16_t oldest = host.build > kWindowsLtsc2025 ? kWindowsLtsc2025 : kWindowsLtsc2022;
  return oldest <= offered.build && offered.build <= host.build;
}

// `wanted` is normalised.
bool MatchesOne(const Platform& wanted, Platform offered) {
  bool windows = wanted.os == "windows";
  if (windows) {
    // Every Windows image may name it; it never decides.
    auto win32k = std::find(offered.os_features.begin(), offered.os_features.end(), "win32k");
    if (win32k != offered.os_features.end()) offered.os_features.erase(win32k);
  }
  offered = NormalizePlatform(std::move(offered));
  if (wanted.os != offered.os || wanted.architecture != offered.architecture || wanted.variant != offered.variant) return false;
  if (windows && !WindowsRuns(ParseWindowsVersion(wanted.os_version), offered.os_version)) return false;
  return std::includes(wanted.os_features.begin(), wanted.os_features.end(), offered.os_features.begin(), offered.os_features.end());
}

// The number of "v7" or "7"; `fallback` if it is none.
int VariantNumber(std::string_view variant, int fallback) {
  if (variant.starts_with('v')) variant.remove_prefix(1);
  int number = 0;
  auto [end, error] = std::from_chars(variant.data(), variant.data() + variant.size(), number);
  return error == std::errc() && end == variant.data() + variant.size() && number <= kMaxVariantNumber ? number : fallback;
}

// Armv9.x contains Armv8.(x+5) (Arm architecture reference, A1.3), up to v8.9.
std::vector<std::string> Arm64Variants(const std::string& variant) {
  std::string text = variant.empty() ? "v8" : variant;
  if (text.size() == 2) text += ".0";
  if (text.size() != 4 || text[0] != 'v' || text[2] != '.') return {};
  int major = text[1] - '0', minor = text[3] - '0';
  if (major < 8 || major > 9 || minor < 0 || minor > (major == 8 ? 9 : 7)) return {};
  std::vector<std::string> all;
  auto add = [&](int of_major, int from) {
    for (int m = from; m >= 0; m--) all.push_back(m == 0 ? StrCat("v", of_major) : StrCat("v", of_major, ".", m));
  };
  add(major, minor);
  if (major == 9) add(8, std::min(minor + 5, 9));
  return all;
}

std::vector<Platform> Runnable(const Platform& platform) {
  std::vector<Platform> all;
  auto add = [&](std::string arch, std::string variant) {
    Platform p = platform;
    p.architecture = std::move(arch);
    p.variant = std::move(variant);
    all.push_back(std::move(p));
  };
  if (platform.architecture != "arm64") all.push_back(platform);
  if (platform.architecture == "amd64") {
    for (int v = VariantNumber(platform.variant, 1) - 1; v >= 1; v--) add("amd64", StrCat("v", v));
    add("386", "");
  } else if (platform.architecture == "arm") {
    for (int v = VariantNumber(platform.variant, 5) - 1; v >= 5; v--) add("arm", StrCat("v", v));
  } else if (platform.architecture == "arm64") {
    std::vector<std::string> variants = Arm64Variants(platform.variant);
    for (const std::string& variant : variants) add("arm64", variant);
    for (int v = 8; v >= 5 && !variants.empty(); v--) add("arm", StrCat("v", v));
  }
  return all;
}

}  // namespace

PlatformMatcher::PlatformMatcher(std::vector<Platform> wanted, bool ordered) : wanted_(std::move(wanted)), ordered_(ordered) {
  for (Platform& p : wanted_) p = NormalizePlatform(std::move(p));
}

PlatformMatcher PlatformMatcher::Only(const Platform& wanted) { return Ordered(Runnable(NormalizePlatform(wanted))); }

bool PlatformMatcher::Matches(const Platform& offered) const {
  return std::any_of(wanted_.begin(), wanted_.end(), [&](const Platform& p) { return MatchesOne(p, offered); });
}

bool PlatformMatcher::OrderedLess(const Platform& a, const Platform& b) const {
  for (const Platform& p : wanted_) {
    bool a_matches = MatchesOne(p, a), b_matches = MatchesOne(p, b);
    if (a_matches && b_matches) return a.os_features.size() > b.os_features.size();
    if (a_matches || b_matches) return a_matches;
  }
  return false;
}

bool PlatformMatcher::AnyLess(const Platform& a, const Platform& b) const {
  bool a_matches = Matches(a), b_matches = Matches(b);
  if (a_matches && b_matches && a.os_features.size() != b.os_features.size()) return a.os_features.size() > b.os_features.size();
  return a_matches && !b_matches;
}

bool PlatformMatcher::Less(const Platform& a, const Platform& b) const {
  auto less = [this](const Platform& x, const Platform& y) { return ordered_ ? OrderedLess(x, y) : AnyLess(x, y); };
  bool features = !a.os_features.empty() || !b.os_features.empty();
  if (Matches(a) || Matches(b) || !features) return less(a, b);
  Platform plain_a = a, plain_b = b;
  plain_a.os_features.clear();
  plain_b.os_features.clear();
  return less(plain_a, plain_b);
}

bool PlatformMatches(const Platform& wanted, const Platform& offered, bool only) {
  return (only ? PlatformMatcher::Only(wanted) : PlatformMatcher::Strict(wanted)).Matches(offered);
}

bool PlatformLess(const Platform& wanted, const Platform& a, const Platform& b, bool only) {
  return (only ? PlatformMatcher::Only(wanted) : PlatformMatcher::Strict(wanted)).Less(a, b);
}

}  // namespace bk
