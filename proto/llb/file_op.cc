// The operation that changes files without running anything: make directories and files, copy.
#include "base/path.h"
#include "proto/llb/state.h"

namespace bk::llb {
namespace {

// Absolute and clean; a trailing "/" or "/." says something about copies and stays there.
std::string CompletePath(std::string_view parent, const std::string& given, bool keep_slash) {
  std::string path = CleanPath(given);
  if (!IsAbsolutePath(path)) path = JoinPath("/", parent, path);
  if (!keep_slash) return path;
  if (given.ends_with('/') && !path.ends_with('/')) {
    path += '/';
  } else if (given.ends_with("/.")) {
    if (path != "/") path += '/';
    path += '.';
  }
  return path;
}

void FillUser(const std::optional<UserOrId>& from, int64_t base, pb::UserOpt* (pb::ChownOpt::*field)(), pb::ChownOpt& out) {
  if (!from) return;
  pb::UserOpt* user = (out.*field)();
  if (from->name.empty()) {
    user->set_byid(from->id);
  } else {
    user->mutable_byname()->set_name(from->name);
    user->mutable_byname()->set_input(base);
  }
}

pb::ChownOpt OwnerToPb(const Owner& owner, int64_t base) {
  pb::ChownOpt out;
  FillUser(owner.user, base, &pb::ChownOpt::mutable_user, out);
  FillUser(owner.group, base, &pb::ChownOpt::mutable_group, out);
  return out;
}

class FileVertex final : public Vertex {
 public:
  FileVertex(Output base, std::string dir, std::vector<FileStep> steps)
      : base_(base), dir_(std::move(dir)), steps_(std::move(steps)) {}

  std::vector<Output> Inputs() const override {
    std::vector<Output> inputs;
    if (!base_.empty()) inputs.push_back(base_);
    for (size_t i = steps_.size(); i-- > 0;) {  // last step first: the order of definitions
      if (!steps_[i].source.empty()) inputs.push_back(steps_[i].source);
    }
    return inputs;
  }

  absl::StatusOr<pb::Op> Build(InputTable& inputs) const override {
    if (steps_.empty()) return InvalidArgument("action is required");
    pb::Op op;
    pb::FileOp& file = *op.mutable_file();
    int64_t base = inputs.Add(base_);
    std::vector<int64_t> sources;
    for (const FileStep& step : steps_) sources.push_back(inputs.Add(step.source));
    auto count = static_cast<int64_t>(inputs.inputs().size());
    for (size_t i = 0; i < steps_.size(); i++) {
      pb::FileAction action = Complete(steps_[i], base);
      action.set_input(i == 0 ? base : count + static_cast<int64_t>(i) - 1);
      action.set_secondaryinput(sources[i]);
      action.set_output(i + 1 == steps_.size() ? 0 : -1);
      *file.add_actions() = std::move(action);
    }
    return op;
  }

 private:
  pb::FileAction Complete(const FileStep& step, int64_t base) const {
    pb::FileAction action = step.action;
    auto fill = [&](auto* part) {
      if (step.owner) *part->mutable_owner() = OwnerToPb(*step.owner, base);
    };
    if (action.has_copy()) {
      pb::FileActionCopy* copy = action.mutable_copy();
      std::string source = CleanPath(copy->src());
      copy->set_src(JoinPath(IsAbsolutePath(source) ? "/" : step.source_dir, source));
      copy->set_dest(CompletePath(dir_, copy->dest(), true));
      fill(copy);
    } else if (action.has_mkdir()) {
      action.mutable_mkdir()->set_path(CompletePath(dir_, action.mkdir().path(), false));
      fill(action.mutable_mkdir());
    } else if (action.has_mkfile()) {
      action.mutable_mkfile()->set_path(CompletePath(dir_, action.mkfile().path(), false));
      fill(action.mutable_mkfile());
    }
    return action;
  }

  Output base_;
  std::string dir_;
  std::vector<FileStep> steps_;
};

}  // namespace

FileStep MakeDirStep(std::string path, uint32_t mode, bool parents, std::optional<Owner> owner, std::optional<int64_t> time_ns) {
  FileStep step;
  step.owner = std::move(owner);
  pb::FileActionMkDir* action = step.action.mutable_mkdir();
  action->set_path(std::move(path));
  action->set_mode(static_cast<int32_t>(mode & 0777));
  action->set_makeparents(parents);
  action->set_timestamp(time_ns.value_or(-1));
  return step;
}

FileStep MakeFileStep(std::string path, uint32_t mode, std::string data) {
  FileStep step;
  pb::FileActionMkFile* action = step.action.mutable_mkfile();
  action->set_path(std::move(path));
  action->set_mode(static_cast<int32_t>(mode & 0777));
  action->set_data(std::move(data));
  action->set_timestamp(-1);
  return step;
}

FileStep CopyStep(const State& source, pb::FileActionCopy copy, std::optional<Owner> owner) {
  FileStep step;
  copy.set_timestamp(-1);
  *step.action.mutable_copy() = std::move(copy);
  step.owner = std::move(owner);
  step.source = source.output();
  step.source_dir = source.dir();
  return step;
}

State State::File(std::vector<FileStep> steps, OpOptions options) const {
  auto* vertex = graph_->Add(std::make_unique<FileVertex>(output_, settings_->dir, std::move(steps)));
  vertex->options = std::move(options);
  vertex->options.caps.insert("file.base");
  return WithOutput({vertex, 0});
}

}  // namespace bk::llb
