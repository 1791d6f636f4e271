#include "daemon/source/git/submodules.h"

#include <algorithm>

namespace bk::source {

std::map<std::string, Submodule> ParseGitmodules(std::string_view listing) {
  struct Section {
    std::string path;
    Submodule module;
  };
  std::map<std::string, Section, std::less<>> sections;
  while (!listing.empty()) {
    std::string_view entry = listing.substr(0, listing.find('\0'));
    listing.remove_prefix(std::min(listing.size(), entry.size() + 1));
    // "submodule.NAME.key\nvalue"; the name may have dots.
    size_t line = entry.find('\n');
    std::string_view key = entry.substr(0, line), value = line == std::string_view::npos ? std::string_view() : entry.substr(line + 1);
    constexpr std::string_view kPrefix = "submodule.";
    size_t dot = key.rfind('.');
    if (!key.starts_with(kPrefix) || dot < kPrefix.size()) continue;
    Section& section = sections[std::string(key.substr(0, dot))];
    std::string_view what = key.substr(dot + 1);
    if (what == "path") {
      section.path = value;
    } else if (what == "url") {
      section.module.url = value;
    } else if (what == "update") {
      section.module.skipped = value == "none";
    }
  }
  std::map<std::string, Submodule> out;
  for (auto& [name, section] : sections) {
    if (!section.path.empty() && !section.module.url.empty()) out.emplace(std::move(section.path), std::move(section.module));
  }
  return out;
}

absl::StatusOr<std::map<std::string, Submodule>> ReadGitmodules(const CancelToken& cancel, const GitCli& git, const std::string& object) {
  // As a blob: a link of this name would lead elsewhere in a tree of files.
  BK_TRY(std::string listing, git.Run(cancel, {"ls-tree", "-z", "--full-tree", object, "--", ".gitmodules"}, GitCli::Show::kErrors));
  if (listing.empty()) return std::map<std::string, Submodule>();
  if (!listing.starts_with("100")) return Unknown(".gitmodules is not a regular file");
  BK_TRY(std::string config, git.Run(cancel, {"config", "--null", "--list", "--blob", object + "^{tree}:.gitmodules"}, GitCli::Show::kErrors));
  return ParseGitmodules(config);
}

}  // namespace bk::source
