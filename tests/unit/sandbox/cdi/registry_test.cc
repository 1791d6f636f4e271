#include "sandbox/cdi/registry.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "base/os/file.h"
#include "sandbox/oci/spec.h"

using namespace bk;

namespace {

std::string File(const std::string& devices, const std::string& more = "", const std::string& version = "1.1.0", const std::string& kind = "vendor.test/gpu") {
  return StrCat("cdiVersion: \"", version, "\"\nkind: ", kind, "\n", more, "devices:\n", devices);
}
std::string Device(const std::string& name, const std::string& more = "") { return StrCat("- name: \"", name, "\"\n  containerEdits:\n    env: [DEV_", name, "=1]\n", more); }

std::string ErrorOf(const std::string& text) {
  auto file = cdi::ParseSpecFile(text);
  return file.ok() ? "" : Message(file.status());
}

struct Directories {
  Directories() : temp(*os::TempDir::Make("cdi-")) {
    for (const char* name : {"/low", "/high"}) REQUIRE(os::MakeDirs(temp.path() + name, 0755).ok());
  }
  void Write(const std::string& name, const std::string& text) { REQUIRE(os::WriteFileAtomic(temp.path() + "/" + name, text, 0644, false).ok()); }
  cdi::Registry Open(const std::vector<std::string>& auto_allowed = {}) { return cdi::Registry({temp.path() + "/low", temp.path() + "/nosuch", temp.path() + "/high"}, auto_allowed); }
  os::TempDir temp;
};

std::string Names(const absl::StatusOr<std::vector<std::string>>& names) {
  if (!names.ok()) return Message(names.status());
  std::string out;
  for (const std::string& name : *names) out += (out.empty() ? "" : " ") + name.substr(name.find('=') + 1);
  return out;
}

}  // namespace

TEST_CASE("what a file may not say is refused") {  // EXE-071, EXE-075
  CHECK(ErrorOf(File(Device("a"))) == "");
  CHECK(ErrorOf(File(Device("a"), "", "0.9.0")) == "invalid version \"0.9.0\"");
  CHECK(ErrorOf(File(Device("a"), "", "1.1.0", "gpu")).find("invalid vendor.") == 0);
  CHECK(ErrorOf(File(Device("a"), "", "1.1.0", "vendor/-")).find("invalid class.") == 0);
  CHECK(ErrorOf(File("")) == "invalid spec, no devices");
  CHECK(ErrorOf(File(Device("a") + Device("a"))) == "invalid spec, multiple device \"a\"");
  CHECK(ErrorOf(File(Device("a/b"))).find("invalid device name \"a/b\"") == 0);
  CHECK(ErrorOf(File("- name: a\n  containerEdits: {}\n")) == "failed add device \"a\": invalid device, empty device edits");
  CHECK(ErrorOf(File(Device("a"), "extra: 1\n")) == "CDI file has the unknown key \"extra\"");
  CHECK(ErrorOf(File(Device("a", "    mounts: [{hostPath: /x, containerpath: /y}]\n"))).find("unknown key \"containerpath\"") != std::string::npos);
  CHECK(ErrorOf(File(Device("a", "    env: [x]\n"))).find("the key \"env\" is there twice") != std::string::npos);
  CHECK(ErrorOf(File("- name: a\n  containerEdits: {env: [x]}\n")).find("invalid environment variable \"x\"") != std::string::npos);
  CHECK(ErrorOf(File("- name: a\n  containerEdits: {deviceNodes: [{path: /dev/x, type: z}]}\n")).find("device \"/dev/x\": invalid type \"z\"") != std::string::npos);
  CHECK(ErrorOf(File("- name: a\n  containerEdits: {deviceNodes: [{path: /dev/x, permissions: rx}]}\n")).find("invalid permissions \"rx\"") != std::string::npos);
  CHECK(ErrorOf(File("- name: a\n  containerEdits: {deviceNodes: [{path: /dev/x, uid: -1}]}\n")).find("no number that fits as uid") != std::string::npos);
  CHECK(ErrorOf(File("- name: a\n  containerEdits: {hooks: [{hookName: never, path: /x}]}\n")).find("invalid hook name \"never\"") != std::string::npos);
  CHECK(ErrorOf(File("- name: a\n  containerEdits: {intelRdt: {closID: ..}}\n")).find("invalid ClosID") != std::string::npos);
  CHECK(ErrorOf("[]").find("CDI file is no mapping") == 0);
  CHECK(ErrorOf("") == "no data");
}

TEST_CASE("a file says at least the version that has what it uses") {
  const std::pair<const char*, const char*> cases[] = {
      {"- name: 1a\n  containerEdits: {env: [A=1]}\n", "0.5.0"},           {"- name: a\n  annotations: {x: y}\n  containerEdits: {env: [A=1]}\n", "0.6.0"},
      {"- name: a\n  containerEdits: {mounts: [{hostPath: /, containerPath: /x, type: bind}]}\n", "0.4.0"},
      {"- name: a\n  containerEdits: {deviceNodes: [{path: /dev/x, hostPath: /dev/y}]}\n", "0.5.0"},
      {"- name: a\n  containerEdits: {additionalGids: [5]}\n", "0.7.0"},  {"- name: a\n  containerEdits: {netDevices: [{hostInterfaceName: a, name: b}]}\n", "1.1.0"}};
  for (const auto& [devices, version] : cases) {
    CHECK(ErrorOf(File(devices, "", "0.3.0")) == StrCat("the spec version must be at least v", version));
    CHECK(ErrorOf(File(devices, "", version)) == "");
  }
}

TEST_CASE("devices are found by name, kind, wildcard and class") {  // EXE-072
  Directories dirs;
  dirs.Write("low/a.yaml", File(Device("0") + Device("1")));
  dirs.Write("low/b.json", R"({"cdiVersion":"0.6.0","kind":"other.test/x","annotations":{"org.mobyproject.buildkit.device.class":"gpu"},"devices":[{"name":"z","containerEdits":{"env":["Z=1"]}}]})");
  dirs.Write("low/ignored.txt", "no device file");
  cdi::Registry registry = dirs.Open();
  CHECK(Names(registry.Find({{"vendor.test/gpu=1"}})) == "1");
  CHECK(Names(registry.Find({{"vendor.test/gpu"}})) == "0");
  CHECK(Names(registry.Find({{"vendor.test/gpu=*"}, {"vendor.test/gpu=1"}})) == "0 1");
  CHECK(Names(registry.Find({{"gpu"}})) == "z");
  CHECK(Names(registry.Find({{"vendor.test/gpu=7"}})) == "required device \"vendor.test/gpu=7\" is not registered");
  CHECK(Names(registry.Find({{"vendor.test/gpu=7", true}, {"gpu", true}})) == "z");
}

TEST_CASE("files may come, change, break and go; a later directory goes first, doubles are nobody's") {  // EXE-071
  Directories dirs;
  cdi::Registry registry = dirs.Open();
  CHECK(registry.List().empty());
  dirs.Write("low/a.yaml", File(Device("0")));
  CHECK(registry.List().size() == 1);
  dirs.Write("high/a.yaml", File("- name: '0'\n  containerEdits: {env: [FROM=high]}\n"));
  auto edits = registry.EditsOf({"vendor.test/gpu=0"});
  REQUIRE(edits.ok());
  CHECK(edits->env == std::vector<std::string>{"FROM=high"});
  dirs.Write("high/b.yaml", File(Device("0")));
  CHECK(registry.List().empty());
  dirs.Write("high/b.yaml", "broken");
  CHECK(registry.List().size() == 1);
  REQUIRE(os::RemoveAll(dirs.temp.path() + "/high").ok());
  CHECK(registry.EditsOf({"vendor.test/gpu=0"})->env == std::vector<std::string>{"DEV_0=1"});
  CHECK(Message(registry.EditsOf({"vendor.test/gpu=9"}).status()) == "CDI device injection failed: unresolvable CDI devices vendor.test/gpu=9");
}

TEST_CASE("devices need no entitlement when configuration or annotation say so") {  // DMN-064, EXE-074
  Directories dirs;
  dirs.Write("low/a.yaml", File(Device("0") + "- name: '1'\n  annotations: {org.mobyproject.buildkit.device.autoallow: true}\n  containerEdits: {env: [A=1]}\n"));
  auto allowed = [](const std::vector<cdi::Device>& devices) {
    std::string out;
    for (const cdi::Device& device : devices) out += device.auto_allowed ? 'y' : 'n';
    return out;
  };
  CHECK(allowed(dirs.Open().List()) == "ny");
  CHECK(allowed(dirs.Open({"vendor.test/gpu=0"}).List()) == "yy");
  CHECK(allowed(dirs.Open({"vendor.test/gpu"}).List()) == "yy");
}

TEST_CASE("what a node leaves out is the host's") {  // EXE-075
  Directories dirs;
  dirs.Write("low/a.yaml", File("- name: null\n  containerEdits: {env: [A=1]}\n- name: \"n\"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/mine\n      hostPath: /dev/null\n"
                                "- name: full\n  containerEdits:\n    deviceNodes:\n    - {path: /dev/x, type: c, major: 9, minor: 8}\n"
                                "- name: gone\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nosuchdevice\n- name: file\n  containerEdits: {deviceNodes: [{path: /etc/passwd}]}\n"));
  cdi::Registry registry = dirs.Open();
  CHECK(registry.List().empty());  // a device without name
  dirs.Write("low/a.yaml", File("- name: \"n\"\n  containerEdits:\n    deviceNodes:\n    - path: /dev/mine\n      hostPath: /dev/null\n"
                                "- name: full\n  containerEdits:\n    deviceNodes:\n    - {path: /dev/x, type: c, major: 9, minor: 8}\n"
                                "- name: gone\n  containerEdits:\n    deviceNodes:\n    - path: /dev/nosuchdevice\n- name: file\n  containerEdits: {deviceNodes: [{path: /etc/passwd}]}\n"));
  auto host = registry.EditsOf({"vendor.test/gpu=n"});
  REQUIRE_MESSAGE(host.ok(), Message(host.status()));
  REQUIRE(host->devices.size() == 1);
  CHECK(host->devices[0].path == "/dev/mine");
  CHECK(host->devices[0].type == "c");
  CHECK(host->devices[0].major == 1);
  CHECK(host->devices[0].minor == 3);
  CHECK(host->devices[0].mode.has_value());
  CHECK(registry.EditsOf({"vendor.test/gpu=full"})->devices[0].major == 9);
  CHECK(Message(registry.EditsOf({"vendor.test/gpu=gone"}).status()).find("failed to stat CDI host device \"/dev/nosuchdevice\"") != std::string::npos);
  CHECK(Message(registry.EditsOf({"vendor.test/gpu=file"}).status()).find("not a device node") != std::string::npos);
}

TEST_CASE("edits of a file come once, then those of its devices") {  // EXE-075
  Directories dirs;
  dirs.Write("low/a.yaml", File(Device("0") + Device("1"), "containerEdits:\n  env: [ALL=1]\n"));
  auto edits = dirs.Open().EditsOf({"vendor.test/gpu=1", "vendor.test/gpu=0"});
  REQUIRE(edits.ok());
  CHECK(edits->env == std::vector<std::string>{"ALL=1", "DEV_1=1", "DEV_0=1"});
}

TEST_CASE("edits change a step's configuration: in place, in order, groups once") {  // EXE-075
  oci::Spec spec;
  spec.env = {"PATH=/bin", "A=old", "B=1"};
  spec.uid = 5;
  spec.gid = 6;
  spec.additional_gids = {6};
  spec.resources.emplace();
  spec.mounts = {{"/proc", "proc", "proc", {}}, {"/dev/shm", "tmpfs", "shm", {}}, {"/etc/hosts", "bind", "/h", {}}};
  exec::ContainerEdits edits;
  edits.env = {"A=new", "C=2"};
  edits.devices = {{"/dev/x", "c", 1, 3, 0666, {}, 0, ""}, {"/dev/pipe", "p", 0, 0, {}, {}, {}, ""}};
  edits.mounts = {{"/host", "/opt", "", {"rbind"}}, {"/other", "/etc/hosts", "bind", {"rbind", "ro"}}};
  edits.additional_gids = {0, 6, 7, 7};
  edits.hooks = {{"createContainer", {"/bin/hook", {"hook", "a"}, {"E=1"}, 5}}};
  edits.net_devices = {{"eth9", "net0"}};
  edits.rdt = exec::IntelRdt{"guaranteed", "L3:0=f", "", {}, true};
  oci::ApplyEdits(edits, true, spec);
  CHECK(spec.env == std::vector<std::string>{"PATH=/bin", "A=new", "B=1", "C=2"});
  REQUIRE(spec.mounts.size() == 4);
  CHECK(spec.mounts[1].destination == "/opt");
  CHECK(spec.mounts[3].source == "/other");
  CHECK(spec.additional_gids == std::vector<uint32_t>{6, 7});
  CHECK(spec.resources->devices.size() == 1);
  std::string json = oci::SpecJson(spec);
  for (const char* part : {R"({"path":"/dev/x","type":"c","major":1,"minor":3,"fileMode":438,"uid":5,"gid":0})", R"({"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"})",
                           R"("hooks":{"createContainer":[{"path":"/bin/hook","args":["hook","a"],"env":["E=1"],"timeout":5}]})", R"("netDevices":{"eth9":{"name":"net0"}})",
                           R"("intelRdt":{"closID":"guaranteed","l3CacheSchema":"L3:0=f","enableMonitoring":true})", R"({"destination":"/opt","source":"/host","options":["rbind"]})"}) {
    CHECK_MESSAGE(json.find(part) != std::string::npos, part);
  }
}
