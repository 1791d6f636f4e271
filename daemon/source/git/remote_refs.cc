#include "daemon/source/git/remote_refs.h"

#include "daemon/source/git/git_cli.h"

namespace bk::source {
namespace {

constexpr char kHeads[] = "refs/heads/";
constexpr char kTags[] = "refs/tags/";
constexpr char kPeeled[] = "^{}";
constexpr size_t kMaxTags = 100;

std::string_view Without(std::string_view text, std::string_view prefix) { return text.starts_with(prefix) ? text.substr(prefix.size()) : text; }

// "ID\tNAME" of one line; false at the end.
bool NextLine(std::string_view& rest, std::string_view& id, std::string_view& name) {
  if (rest.empty()) return false;
  std::string_view line = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  size_t tab = line.find('\t');
  id = line.substr(0, tab);
  name = tab == std::string_view::npos ? std::string_view() : line.substr(tab + 1);
  return true;
}

absl::Status CheckSum(const GitIdentifier& id, const std::string& object, const std::string& peeled) {
  if (id.checksum.empty() || object.starts_with(id.checksum) || (!peeled.empty() && peeled.starts_with(id.checksum))) return absl::OkStatus();
  return Unknown("expected checksum to match ", id.checksum, ", got ", peeled.empty() ? object : " or " + peeled);
}

// The branch that HEAD names, and its commit.
absl::StatusOr<ResolvedRef> ResolveHead(const GitIdentifier& id, const std::string& shown_url, std::string_view answer) {
  ResolvedRef out;
  std::string_view object, name;
  while (NextLine(answer, object, name)) {
    if (name != "HEAD") continue;
    if (size_t at = object.find(kHeads); object.starts_with("ref:") && at != std::string_view::npos) {
      out.ref = object.substr(at);
    } else if (out.object.empty()) {
      out.object = object;
    }
  }
  std::string_view branch = Without(out.ref, kHeads);
  if (branch.empty()) return Unknown("could not find default branch for repository: ", shown_url);
  if (branch.starts_with('-')) return InvalidArgument("invalid git ref ", Quote(branch));
  if (!IsObjectId(out.object)) return Unknown("invalid commit sha ", Quote(out.object));
  BK_RETURN_IF_ERROR(CheckSum(id, out.object, ""));
  return out;
}

}  // namespace

absl::StatusOr<std::optional<ResolvedRef>> ResolveWithoutRemote(const GitIdentifier& id) {
  if (!id.checksum.empty() && id.checksum.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    return Unknown("invalid checksum ", id.checksum, " for Git URL, expected hex commit hash");
  }
  bool pinned_bundle = !id.bundle.empty() && id.ref.empty();
  if (IsObjectId(id.ref) || pinned_bundle) {
    std::string object = pinned_bundle ? id.checksum : id.ref;
    BK_RETURN_IF_ERROR(CheckSum(id, object, ""));
    return ResolvedRef{object, object, ""};
  }
  if (!id.fetch_by_commit || !id.bundle.empty()) return std::nullopt;
  if (id.checksum.empty()) return Unknown("fetch-by-commit requires a checksum or a commit SHA ref");
  if (!IsObjectId(id.checksum)) return Unknown("fetch-by-commit requires a full commit SHA checksum, got ", Quote(id.checksum));
  ResolvedRef out{id.ref, id.checksum, ""};
  // As asking the remote would name it.
  if (out.ref.empty()) {
    out.ref = id.checksum;
  } else if (!out.ref.starts_with("refs/")) {
    out.ref = kHeads + out.ref;
  }
  return out;
}

std::vector<std::string> LsRemoteArguments(const GitIdentifier& id, const std::string& url) {
  if (id.ref.empty()) return {"ls-remote", "--symref", "--", url, "HEAD"};
  return {"ls-remote", "--", url, id.ref, id.ref + kPeeled};
}

absl::StatusOr<ResolvedRef> ResolveAnswer(const GitIdentifier& id, const std::string& shown_url, const std::string& answer) {
  if (id.ref.empty()) return ResolveHead(id, shown_url, answer);
  const std::string partial = StrCat("refs/", Without(id.ref, "refs/")), head = StrCat(kHeads, Without(id.ref, kHeads)), tag = StrCat(kTags, Without(id.ref, kTags));
  std::string exact_object, head_object, tag_object, peeled;
  std::string_view rest = answer, object, name;
  while (NextLine(rest, object, name)) {
    if (name == head) {
      head_object = object;
    } else if (name == tag) {
      tag_object = object;
    } else if (name == tag + kPeeled) {
      peeled = object;
    } else if (name == partial) {
      exact_object = object;
    }
  }
  ResolvedRef out{partial, exact_object, ""};
  if (out.object.empty()) out = {head, head_object, ""};
  if (!out.object.empty()) peeled.clear();
  if (out.object.empty()) out = {tag, tag_object, ""};
  if (out.object.empty()) return Unknown("repository does not contain ref ", id.ref, ", output: ", Quote(answer));
  if (!IsObjectId(out.object)) return Unknown("invalid commit sha ", Quote(out.object));
  BK_RETURN_IF_ERROR(CheckSum(id, out.object, peeled));
  out.commit = peeled;
  return out;
}

std::vector<std::string> TagsAt(const std::string& answer, const std::string& object) {
  std::vector<std::string> out;
  std::string_view rest = answer, id, name;
  while (out.size() < kMaxTags && NextLine(rest, id, name)) {
    if (id != object || !name.starts_with(kTags)) continue;
    if (name.ends_with(kPeeled)) name.remove_suffix(3);
    if (out.empty() || out.back() != name) out.emplace_back(name);
  }
  return out;
}

std::string GitCacheKey(const GitIdentifier& id, const ResolvedRef& resolved) {
  std::string key = IsObjectId(resolved.ref) ? resolved.ref : id.keep_git_dir || resolved.commit.empty() ? resolved.object : resolved.commit;
  if (id.keep_git_dir) {
    key += ".git";
    if (!resolved.ref.empty()) key += "#" + resolved.ref;
  }
  if (!id.subdir.empty()) key += ":" + id.subdir;
  if (id.skip_submodules) key += "(skip-submodules)";
  if (!id.mtime.empty() && id.mtime != "checkout") key += "(mtime=" + id.mtime + ")";
  if (id.checkout_bundle) key += "(bundle)";
  return key;
}

}  // namespace bk::source
