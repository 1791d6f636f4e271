// A git remote as the identifier names it, split into what git may see on its command line and what is secret; and the
// credentials that clients keep ready for it (SRC-052, SRC-053).
//
// Values; AskCredentials blocks.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "daemon/session/session.h"
#include "daemon/source/identifier.h"

namespace bk::source {

struct Remote {
  std::string url;            // for git: of http(s) without user and password
  std::string shown;          // for people
  std::string key;            // what the remote's repository is found by; no secret
  std::string authorization;  // of the URL's own user and password: "Basic …"; else ""
  bool ssh = false;

  // InvalidArgument for what git could mistake for an option or another transport.
  static absl::StatusOr<Remote> Parse(const std::string& url);
};

// Settings that authenticate, and the texts that must not be shown.
struct GitCredentials {
  std::vector<std::pair<std::string, std::string>> config;
  std::vector<std::string> secrets;
};

// The remote's own credentials, as long as no secret takes their place.
absl::StatusOr<GitCredentials> OwnCredentials(const Remote& remote);
// The first secret that a session of the build has: "HEADER.host", "TOKEN.host", HEADER, TOKEN; else OwnCredentials.
// InvalidArgument when a secret has a line break in it.
absl::StatusOr<GitCredentials> AskCredentials(const CancelToken& cancel, session::Manager& sessions, const std::vector<std::string>& session_ids, const GitIdentifier& id, const Remote& remote);

// The URL that a submodule's `url` ("../other.git") means in a repository of `parent`.
std::string ResolveSubmoduleUrl(const std::string& parent, const std::string& url);

}  // namespace bk::source
