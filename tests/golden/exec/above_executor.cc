#include "tests/golden/exec/above_executor.h"

#include <google/protobuf/util/json_util.h>
#include <re2/re2.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

#include "base/digest.h"
#include "base/os/file.h"
#include "base/os/process.h"
#include "llb/ops.pb.h"
#include "tests/golden/text/real_daemon.h"

namespace bk::golden::exec {
namespace {

void AddInput(pb::Op& op, const std::string& bytes) {
  pb::Input* input = op.add_inputs();
  input->set_digest(DigestOf(bytes).str());
}

// The step on trees that have one directory, whatever the case calls them: nothing looks into them.
absl::StatusOr<pb::Definition> DefinitionOf(const Json& input) {
  pb::Op tree, step, last;
  pb::FileAction* action = tree.mutable_file()->add_actions();
  action->set_input(-1);
  action->set_secondaryinput(-1);
  action->mutable_mkdir()->set_path("/dir");
  action->mutable_mkdir()->set_mode(0755);
  std::string tree_bytes = tree.SerializeAsString();
  for (size_t i = 0; i < input["inputs"].size(); i++) AddInput(step, tree_bytes);
  auto read = google::protobuf::util::JsonStringToMessage(input["exec"].dump(), step.mutable_exec());
  if (!read.ok()) return Internal("the case's op: ", std::string(read.message()));
  std::string step_bytes = step.SerializeAsString();
  AddInput(last, step_bytes);
  pb::Definition definition;
  for (const std::string& bytes : {tree_bytes, step_bytes, last.SerializeAsString()}) definition.add_def(bytes);
  return definition;
}

// A socket of an agent that nobody talks to; it lasts as long as the descriptor and its directory.
absl::StatusOr<os::UniqueFd> BindSocket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Internal("the path of a socket is too long: ", path);
  path.copy(address.sun_path, path.size());
  os::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return ErrnoError(errno, "bind " + path);
  return fd;
}

}  // namespace

absl::Status ExpectRefusedByDaemon(const Json& input, const std::string& error, bool with_devices) {
  BK_TRY(const text::RealDaemon* daemon, text::RealDaemon::Get(with_devices));
  BK_TRY(pb::Definition definition, DefinitionOf(input));
  BK_TRY(os::TempDir dir, os::TempDir::Make("golden-refused-"));
  os::ProcessOptions options;
  options.argv = {BUILDCTL_PATH, "--addr", daemon->address(), "build", "--progress", "plain"};
  for (const Json& entitlement : input.value("client_entitlements", Json::array())) {
    options.argv.push_back("--allow");
    options.argv.push_back(entitlement.get<std::string>());
  }
  std::vector<os::UniqueFd> agents;
  for (const Json& id : input.value("session_ssh", Json::array())) {
    std::string path = StrCat(dir.path(), "/agent", agents.size());
    BK_TRY(os::UniqueFd agent, BindSocket(path));
    agents.push_back(std::move(agent));
    options.argv.insert(options.argv.end(), {"--ssh", id.get<std::string>() + "=" + path});
  }
  options.replace_env = true;
  options.env = {"HOME=" + dir.path(), "DOCKER_CONFIG=" + dir.path(), "PATH=/usr/bin:/bin"};
  BK_TRY(os::Output output, os::Run(CancelToken::Never(), options, definition.SerializeAsString()));
  if (output.status.success()) return Internal("the build succeeded, want ", error);
  std::string got = output.err;
  while (got.ends_with('\n')) got.pop_back();
  if (size_t line = got.rfind('\n'); line != std::string::npos) got.erase(0, line + 1);
  if (got.starts_with("error: ")) got.erase(0, 7);
  // What the client refuses itself has no frame.
  constexpr std::string_view kFrame = "failed to solve: ";
  std::string pattern = StrCat("(?:", RE2::QuoteMeta(kFrame), ")?", RE2::QuoteMeta(error.starts_with(kFrame) ? error.substr(kFrame.size()) : error));
  RE2::GlobalReplace(&pattern, R"(\\\$RAND)", "[a-z0-9]+");
  return RE2::FullMatch(got, pattern) ? absl::OkStatus() : ExpectText("error", got, error);
}

}  // namespace bk::golden::exec
