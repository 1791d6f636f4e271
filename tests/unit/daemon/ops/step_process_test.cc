#include "daemon/ops/step_process.h"

#include <doctest/doctest.h>

#include <fstream>

#include "daemon/ops/emulation.h"
#include "tests/unit/daemon/ops/file/tree.h"

namespace bk::ops {
namespace {

pb::ExecOp Step() {
  pb::ExecOp op;
  op.mutable_meta()->add_args("true");
  return op;
}

TEST_CASE("the environment is the step's, the proxy's, then PATH") {
  pb::ExecOp op = Step();
  op.mutable_meta()->add_env("A=1");
  op.mutable_meta()->mutable_proxy_env()->set_http_proxy("p");
  op.mutable_meta()->mutable_proxy_env()->set_no_proxy("n");
  auto process = ProcessOf(op, {}).value();
  CHECK(process.env == std::vector<std::string>{"A=1", "HTTP_PROXY=p", "http_proxy=p", "NO_PROXY=n", "no_proxy=n", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"});
  op.mutable_meta()->clear_proxy_env();
  op.mutable_meta()->add_env("PATH=");
  CHECK(ProcessOf(op, {}).value().env == std::vector<std::string>{"A=1", "PATH="});
}

TEST_CASE("extra hosts are checked") {
  pb::ExecOp op = Step();
  auto* host = op.mutable_meta()->add_extrahosts();
  host->set_host("h");
  for (const char* right : {"10.0.0.1", "::1", "::ffff:1.2.3.4", "FE80::0"}) {
    host->set_ip(right);
    CHECK(ProcessOf(op, {}).value().extra_hosts[0].ip == right);
  }
  for (const char* wrong : {"x", "", "1.2.3", "01.2.3.4", "fe80::1%eth0"}) {
    host->set_ip(wrong);
    CHECK(Message(ProcessOf(op, {}).status()) == StrCat("failed to parse IP ", wrong));
  }
}

TEST_CASE("the exit error has the reference's words and its code as a detail") {
  absl::Status status = ExitError("/bin/sh -c \"x\"", {7, false});
  CHECK(Message(status) == "process \"/bin/sh -c \\\"x\\\"\" did not complete successfully: exit code: 7");
  CHECK(status.code() == absl::StatusCode::kUnknown);
  CHECK(Details(status) == std::vector<ErrorDetail>{{"gatewayapi.ExitMessage", "{\"Code\":7}"}});
  CHECK(Details(ExitError("x", {0, false}))[0].json == "{}");
  absl::Status memory = ExitError("x", {137, true});
  CHECK(absl::IsResourceExhausted(memory));
  CHECK(Message(memory) == "process \"x\" did not complete successfully: cannot allocate memory");
  CHECK(Details(memory)[0].json == "{\"Code\":137}");
}

TEST_CASE("valid exit codes replace 0") {
  CHECK(IsValidExit({}, 0));
  CHECK_FALSE(IsValidExit({}, 1));
  CHECK(IsValidExit({3, 4}, 4));
  CHECK_FALSE(IsValidExit({3, 4}, 0));
}

TEST_CASE("modes that do not exist are refused by number") {
  pb::ExecOp op = Step();
  CHECK(CheckModes(op).ok());
  op.set_network(static_cast<pb::NetMode>(9));
  CHECK(Message(CheckModes(op)) == "unknown network mode 9");
  op.set_network(pb::HOST);
  op.set_security(static_cast<pb::SecurityMode>(5));
  CHECK(Message(CheckModes(op)) == "invalid security mode 5");
}

TEST_CASE("foreign platforms need an emulator") {  // EXE-034
  Platform amd64{"linux", "amd64", "", "", {}}, arm64{"linux", "arm64", "v8", "", {}}, riscv{"linux", "riscv64", "", "", {}}, windows{"windows", "arm64", "", "", {}};
  auto emulated = [](std::string_view architecture) { return architecture == "arm64"; };
  CHECK(CheckCanRun(amd64, amd64, emulated).ok());
  CHECK(CheckCanRun({"linux", "386", "", "", {}}, amd64, emulated).ok());
  CHECK(CheckCanRun(arm64, amd64, emulated).ok());
  auto refused = CheckCanRun(riscv, amd64, emulated);
  CHECK(absl::IsFailedPrecondition(refused));
  CHECK(Message(refused).starts_with("no support for running processes with linux/riscv64 platform on linux/amd64"));
  CHECK_FALSE(CheckCanRun(windows, amd64, emulated).ok());
}

TEST_CASE("a program says itself which machine it is for, whatever its image names") {
  file::test::Tree tree;
  auto elf = [](unsigned machine) { return std::string("\177ELF\2\1\1") + std::string(11, '\0') + std::string{static_cast<char>(machine & 255), static_cast<char>(machine >> 8)}; };
  std::string own(20, '\0');
  std::ifstream("/proc/self/exe").read(own.data(), 20);
  tree.File("bin/own", own, 0755);
  tree.File("bin/foreign", elf(0xf3ff), 0755);
  tree.File("bin/data", own, 0644);
  tree.File("bin/script", "#! /bin/link -e\n", 0755);
  tree.File("bin/loop", "#!/bin/loop\n", 0755);
  tree.File("bin/short", "\177ELF", 0755);
  tree.File("bin/text", "x", 0755);
  tree.File("opt/own", elf(0xf3ff), 0755);
  tree.Link("bin/link", "/bin/own");
  auto runs = [&](const std::string& name, std::vector<std::string> env = {}, const std::string& cwd = "/") { return IsForThisMachine(tree.root(), {name, std::move(env), cwd}); };
  CHECK(runs("own"));
  CHECK(runs("/bin/own"));
  CHECK(runs("./own", {}, "/bin"));
  CHECK(runs("script"));
  CHECK(runs("../../bin/own"));
  CHECK_FALSE(runs("own", {"PATH=/nosuch:/opt:/bin"}));
  for (const char* name : {"foreign", "data", "loop", "short", "text", "nosuch", "/bin", "./own"}) CHECK_FALSE(runs(name));
}

}  // namespace
}  // namespace bk::ops
