#include "base/unicode.h"
#include "daemon/frontend/dockerfile/instruct/instruction.h"
#include "tests/golden/dockerfile/env_list.h"
#include "tests/golden/dockerfile/suites.h"

namespace bk::golden::dockerfile {

namespace df = bk::dockerfile;

namespace {

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json PairsJson(const std::vector<df::KeyValue>& pairs) {
  Json out = Json::array();
  for (const auto& p : pairs) out.push_back({{"key", p.key}, {"value", p.value}, {"no_delim", p.no_delimiter}});
  return out;
}

Json CommandJson(const df::CommandLine& c) { return {{"cmdline", c.args}, {"prepend_shell", c.prepend_shell}}; }

// The fields of one kind, each as the golden files name them.
struct BodyJson {
  Json operator()(const df::FromInstruction& i) {
    return {{"kind", "from"}, {"base", i.base}, {"name", i.name}, {"platform", i.platform}, {"doc", i.doc}};
  }
  Json operator()(const df::EnvInstruction& i) { return {{"kind", "env"}, {"env", PairsJson(i.pairs)}}; }
  Json operator()(const df::LabelInstruction& i) { return {{"kind", "label"}, {"labels", PairsJson(i.pairs)}}; }
  Json operator()(const df::MaintainerInstruction& i) { return {{"kind", "maintainer"}, {"maintainer", i.maintainer}}; }
  Json operator()(const df::CopyInstruction& i) {
    Json out = {{"kind", i.is_add ? "add" : "copy"}, {"sources", i.sources}, {"dest", i.destination}, {"chown", i.chown},
                {"chmod", i.chmod}, {"link", i.link}, {"exclude", i.exclude}};
    for (const auto& c : i.contents) out["contents"].push_back({{"path", c.path}, {"data", c.data}, {"expand", c.expand}});
    if (i.is_add) {
      out["keep_git_dir"] = OrNull(i.keep_git_dir);
      out["unpack"] = OrNull(i.unpack);
      out["checksum"] = i.checksum;
    } else {
      out["from"] = i.from;
      out["parents"] = i.parents;
    }
    return out;
  }
  Json operator()(const df::OnbuildInstruction& i) { return {{"kind", "onbuild"}, {"expression", i.expression}}; }
  Json operator()(const df::WorkdirInstruction& i) { return {{"kind", "workdir"}, {"path", i.path}}; }
  Json operator()(const df::UserInstruction& i) { return {{"kind", "user"}, {"user", i.user}}; }
  Json operator()(const df::VolumeInstruction& i) { return {{"kind", "volume"}, {"volumes", i.volumes}}; }
  Json operator()(const df::ExposeInstruction& i) { return {{"kind", "expose"}, {"ports", i.ports}}; }
  Json operator()(const df::StopSignalInstruction& i) { return {{"kind", "stopsignal"}, {"signal", i.signal}}; }
  Json operator()(const df::ArgInstruction& i) {
    Json args = Json::array();
    for (const auto& a : i.args) {
      args.push_back({{"key", a.key}, {"value", OrNull(a.value)}});
      if (!a.doc.empty()) args.back()["doc"] = a.doc;
    }
    return {{"kind", "arg"}, {"args", args}};
  }
  Json operator()(const df::ShellInstruction& i) { return {{"kind", "shell"}, {"shell", i.shell}}; }
  Json operator()(const df::CmdInstruction& i) { return With(CommandJson(i), "cmd"); }
  Json operator()(const df::EntrypointInstruction& i) {
    Json out = With(CommandJson(i), "entrypoint");
    if (i.args.empty()) out["cmdline"] = nullptr;
    return out;
  }
  Json operator()(const df::HealthCheckInstruction& i) {
    Json out = {{"kind", "healthcheck"}, {"test", i.test}};
    out.update({{"interval_ns", i.interval_ns}, {"timeout_ns", i.timeout_ns}, {"start_period_ns", i.start_period_ns},
                {"start_interval_ns", i.start_interval_ns}, {"retries", i.retries}});
    return out;
  }
  Json operator()(const df::RunInstruction& i) {
    Json out = With(CommandJson(i), "run");
    out.update({{"flags_used", i.flags_used}, {"network", i.network}, {"security", i.security}});
    for (const auto& f : i.files) out["files"].push_back({{"name", f.name}, {"data", f.data}, {"chomp", f.chomp}});
    for (const auto& d : i.devices) out["devices"].push_back({{"name", d.name}, {"required", d.required}});
    return out;
  }
  static Json With(Json out, const char* kind) {
    out["kind"] = kind;
    return out;
  }
};

Json MountsJson(const df::RunInstruction& run) {
  Json out = Json::array();
  for (const df::RunMount& m : run.mounts) {
    Json j = {{"type", df::MountTypeName(m.type)}, {"readonly", m.read_only}, {"required", m.required}};
    if (!m.from.empty()) j["from"] = m.from;
    if (!m.source.empty()) j["source"] = m.source;
    if (!m.target.empty()) j["target"] = m.target;
    if (!m.cache_id.empty()) j["id"] = m.cache_id;
    if (!m.sharing.empty()) j["sharing"] = m.sharing;
    if (m.size_limit != 0) j["size"] = m.size_limit;
    if (m.env) j["env"] = *m.env;
    if (m.mode) j["mode"] = *m.mode;
    if (m.uid) j["uid"] = *m.uid;
    if (m.gid) j["gid"] = *m.gid;
    out.push_back(std::move(j));
  }
  return out;
}

Json InstructionJson(const df::Instruction& i) {
  Json out = std::visit(BodyJson(), i.body);
  out["range"] = RangesJson(i.location);
  bool from = i.As<df::FromInstruction>() != nullptr;
  out[from ? "orig_cmd" : "name"] = i.keyword;
  out[from ? "source_code" : "code"] = i.code;
  return out;
}

// Whether the kind takes variables at all, mounts aside.
bool HasVariables(const df::Instruction& i) {
  return i.As<df::EnvInstruction>() || i.As<df::LabelInstruction>() || i.As<df::CopyInstruction>() || i.As<df::WorkdirInstruction>() ||
         i.As<df::UserInstruction>() || i.As<df::VolumeInstruction>() || i.As<df::StopSignalInstruction>() || i.As<df::ArgInstruction>();
}

Json RunOne(const df::Node& node, const df::Lex& lex, const EnvList& env) {
  auto instruction = df::ParseInstruction(node);
  if (!instruction.ok()) {
    return {{"error", Message(instruction.status())}, {"locations", LocationsJson(df::Locations(instruction.status()))}, {"stage", "instruction"}};
  }
  Json out = {{"parsed", InstructionJson(*instruction)}};
  auto expander = [&](const std::string& word) { return lex.Word(word, env); };
  absl::Status status;
  if (auto* arg = instruction->As<df::ArgInstruction>()) {
    for (auto& a : arg->args) {
      auto key = expander(a.key);
      if (key.ok()) a.key = *key;
      auto value = a.value ? expander(*a.value) : key;
      if (a.value && value.ok()) a.value = *value;
      status.Update(key.status());
      status.Update(value.status());
    }
  } else {
    status = df::Expand(*instruction, expander);
  }
  if (!status.ok()) {
    out["expand_error"] = Message(status);
  } else {
    if (HasVariables(*instruction)) out["expanded"] = InstructionJson(*instruction);
    if (auto* run = instruction->As<df::RunInstruction>(); run && !run->mounts.empty()) out["mounts"] = MountsJson(*run);
  }
  return out;
}

}  // namespace

absl::Status RunInstructions(const Json& c, const std::string&) {
  auto file = df::ParseDockerfile(DockerfileOf(c["input"]));
  Json got = Json::array();
  if (!file.ok()) {
    got.push_back({{"error", Message(file.status())}, {"locations", LocationsJson(df::Locations(file.status()))}, {"stage", "parse"}});
  } else {
    df::Lex lex(file->escape);
    EnvList env(c["input"].value("env", Json::array()));
    for (const df::Node& node : file->nodes) got.push_back(RunOne(node, lex, env));
  }
  if (!c["input"].contains("env")) {
    for (Json& row : got) row.erase("expanded");  // recorded only where there were variables
  }
  return ExpectJson("instructions", got, c["expect"].at("instructions"));
}

}  // namespace bk::golden::dockerfile
