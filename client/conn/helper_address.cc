#include "client/conn/helper_address.h"

#include <algorithm>

namespace bk::client {
namespace {

using Words = std::vector<std::string>;

// The first value of a key of the query; "" without one.
std::string Get(const GoUrl& url, const std::string& key) {
  GoUrl::Query query = url.query();
  auto it = query.find(key);
  return it == query.end() || it->second.empty() ? "" : it->second[0];
}

absl::StatusOr<std::string> ContainerName(const GoUrl& url) {
  std::string name = url.hostname();
  if (name.empty()) return InvalidArgument("url lacks container name");
  if (name.starts_with('-')) return InvalidArgument("unsupported container name: ", Quote(name));
  return name;
}

absl::StatusOr<Words> Docker(const GoUrl& url) {
  BK_TRY(std::string container, ContainerName(url));
  Words words = {"docker"};
  if (std::string context = Get(url, "context"); !context.empty()) words.push_back("--context=" + context);
  for (const char* word : {"exec", "-i"}) words.push_back(word);
  words.push_back(container);
  return words;
}

absl::StatusOr<Words> Podman(const GoUrl& url) {
  BK_TRY(std::string container, ContainerName(url));
  return Words{"podman", "exec", "-i", container};
}

absl::StatusOr<Words> Nerdctl(const GoUrl& url) {
  BK_TRY(std::string container, ContainerName(url));
  Words words = {"nerdctl", "exec"};
  if (std::string space = Get(url, "namespace"); !space.empty()) words.insert(words.end(), {"--namespace", space});
  words.insert(words.end(), {"-i", container});
  return words;
}

// https://kubernetes.io/docs/concepts/overview/working-with-objects/names
bool IsKubeName(const std::string& text) {
  auto allowed = [](char c) { return c == '-' || c == '.' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && std::all_of(text.begin(), text.end(), allowed);
}

absl::StatusOr<Words> Kubectl(const GoUrl& url) {
  std::string space = Get(url, "namespace"), pod = url.hostname(), container = Get(url, "container");
  if (!space.empty() && !IsKubeName(space)) return InvalidArgument("unsupported namespace name: ", Quote(space));
  if (pod.empty()) return InvalidArgument("url lacks pod name");
  if (!IsKubeName(pod) || pod.starts_with('-')) return InvalidArgument("unsupported pod name: ", Quote(pod));
  if (!container.empty() && !IsKubeName(container)) return InvalidArgument("unsupported container name: ", Quote(container));
  return Words{"kubectl", "--context=" + Get(url, "context"), "--namespace=" + space, "exec", "--container=" + container, "-i", pod, "--"};
}

absl::StatusOr<Words> Ssh(const GoUrl& url) {
  if (url.user.has_value() && url.user->password.has_value()) return InvalidArgument("plain-text password is not supported");
  if (url.hostname().empty()) return InvalidArgument("no host specified");
  if (!url.raw_query.empty()) return InvalidArgument("extra query after the host: ", Quote(url.raw_query));
  if (!url.fragment.empty()) return InvalidArgument("extra fragment after the host: ", Quote(url.fragment));
  Words words = {"ssh"};
  if (url.user.has_value() && !url.user->name.empty()) words.insert(words.end(), {"-l", url.user->name});
  if (!url.port().empty()) words.insert(words.end(), {"-p", url.port()});
  words.insert(words.end(), {"--", url.hostname()});
  return words;
}

struct Row {
  const char* scheme;
  absl::StatusOr<Words> (*command)(const GoUrl&);
};
constexpr Row kHelpers[] = {
    {"docker-container", &Docker}, {"podman-container", &Podman}, {"nerdctl-container", &Nerdctl}, {"kube-pod", &Kubectl}, {"ssh", &Ssh},
};

const Row* Find(const std::string& scheme) {
  auto it = std::find_if(std::begin(kHelpers), std::end(kHelpers), [&](const Row& row) { return scheme == row.scheme; });
  return it == std::end(kHelpers) ? nullptr : it;
}

}  // namespace

bool IsHelperScheme(const std::string& scheme) { return Find(scheme) != nullptr; }

absl::StatusOr<std::vector<std::string>> HelperCommand(const GoUrl& url) {
  BK_TRY(Words words, Find(url.scheme)->command(url));
  words.push_back("buildctl");
  // The path of an ssh address is the daemon's socket there.
  if (url.scheme == "ssh" && !url.path.empty()) words.insert(words.end(), {"--addr", "unix://" + url.path});
  words.push_back("dial-stdio");
  return words;
}

}  // namespace bk::client
