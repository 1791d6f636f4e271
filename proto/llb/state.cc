#include "proto/llb/state.h"

#include "base/go_parse.h"
#include "base/path.h"

namespace bk::llb {

Owner Owner::Parse(std::string_view text) {
  auto one = [](std::string_view name) {
    if (name == "root") return UserOrId{};
    auto id = ParseInt(name, 10, 32);
    return id.ok() ? UserOrId{"", static_cast<uint32_t>(*id)} : UserOrId{std::string(name), 0};
  };
  Owner owner;
  size_t colon = text.find(':');
  owner.user = one(text.substr(0, colon));
  if (colon != std::string_view::npos) owner.group = one(text.substr(colon + 1));
  return owner;
}

Owner Owner::Ids(uint32_t uid, uint32_t gid) { return {UserOrId{"", uid}, UserOrId{"", gid}}; }

State::State(Graph& graph, Output output, std::optional<Platform> platform) : graph_(&graph), output_(output) {
  auto settings = std::make_shared<Settings>();
  if (platform) settings->platform = NormalizePlatform(*std::move(platform));
  settings_ = std::move(settings);
}

State State::WithOutput(Output output) const {
  State copy = *this;
  copy.output_ = output;
  return copy;
}

State State::SetEnv(std::string key, std::string value) const {
  return With([&](Settings& s) { s.env.Set(std::move(key), std::move(value)); });
}
State State::SetDir(std::string_view dir) const {
  return With([&](Settings& s) { s.dir = IsAbsolutePath(dir) ? std::string(dir) : JoinPath(s.dir.empty() ? "/" : s.dir, dir); });
}
State State::SetUser(std::string user) const {
  return With([&](Settings& s) { s.user = std::move(user); });
}
State State::SetHostname(std::string hostname) const {
  return With([&](Settings& s) { s.hostname = std::move(hostname); });
}
State State::SetPlatform(const Platform& platform) const {
  return With([&](Settings& s) { s.platform = NormalizePlatform(platform); });
}
State State::SetNetwork(pb::NetMode network) const {
  return With([&](Settings& s) { s.network = network; });
}

namespace {

class MergeVertex final : public Vertex {
 public:
  explicit MergeVertex(std::vector<Output> inputs) : inputs_(std::move(inputs)) {}
  std::vector<Output> Inputs() const override { return inputs_; }
  absl::StatusOr<pb::Op> Build(InputTable& table) const override {
    pb::Op op;
    for (const Output& input : inputs_) op.mutable_merge()->add_inputs()->set_input(table.Add(input, true));
    return op;
  }

 private:
  std::vector<Output> inputs_;
};

}  // namespace

State State::Merge(const std::vector<State>& uppers, OpOptions options) const {
  std::vector<Output> inputs;
  if (!is_scratch()) inputs.push_back(output_);
  for (const State& upper : uppers) {
    if (!upper.is_scratch()) inputs.push_back(upper.output_);
  }
  if (inputs.empty()) return WithOutput({});
  if (inputs.size() == 1) return WithOutput(inputs[0]);
  auto* vertex = graph_->Add(std::make_unique<MergeVertex>(std::move(inputs)));
  vertex->options = std::move(options);
  vertex->options.caps.insert("mergeop");
  return WithOutput({vertex, 0});
}

}  // namespace bk::llb
