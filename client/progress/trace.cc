#include "client/progress/trace.h"

#include <algorithm>

#include "client/progress/text.h"

namespace bk::client {
namespace {

using moby::buildkit::v1::Vertex;
using moby::buildkit::v1::VertexLog;
using moby::buildkit::v1::VertexStatus;

constexpr size_t kMaxSteps = 100'000;
constexpr size_t kMaxTransfers = 10'000;  // of a step
constexpr size_t kMaxWarnings = 10'000;   // of a step
constexpr size_t kMaxLineBytes = 1 << 20;  // a longer line is cut in two
constexpr size_t kMaxLogBytes = 4 << 20;   // kept of a step for its error block; the oldest lines go first
constexpr size_t kMaxWaitingBytes = 64 << 20;  // of a step that waits for its turn in the plain display
constexpr int kMinWindowLines = 6;
constexpr int kWindowMargin = 10;  // columns left of a log window
constexpr char kCanceled[] = "context canceled";

bool Earlier(const Step* a, const Step* b) { return a->number < b->number; }

std::optional<int64_t> Start(const Vertex& v) { return v.has_started() ? std::optional(Nanoseconds(v.started())) : std::nullopt; }
std::optional<int64_t> End(const Vertex& v) { return v.has_completed() ? std::optional(Nanoseconds(v.completed())) : std::nullopt; }

// A message about a running or finished step says something new. One that says the end always does.
bool SaysNews(const Vertex& now, const Vertex* before) {
  if (before == nullptr || now.has_completed()) return true;
  return now.name() != before->name() || Start(now) != Start(*before) || now.cached() != before->cached() || now.error() != before->error();
}

}  // namespace

struct Trace::Group {
  Step* step;
  std::vector<Vertex> members;  // the last message about each
};

bool Step::canceled() const { return error.ends_with(kCanceled); }

void Step::Changed(int64_t now_ns) {
  if (changes++ == 0) waits_since_ns = now_ns;
}

Trace::Trace(int window_lines) : wished_lines_(window_lines), window_lines_(window_lines), changed_(&Earlier) {}
Trace::~Trace() = default;

Step* Trace::Find(const std::string& digest) const {
  auto it = by_digest_.find(digest);
  return it == by_digest_.end() ? nullptr : it->second;
}

Step* Trace::NewStep(const std::string& digest, int terminal_columns) {
  if (steps_.size() >= kMaxSteps) return nullptr;
  steps_.push_back(std::make_unique<Step>());
  Step* step = steps_.back().get();
  step->number = steps_.size() - 1;
  step->digest = digest;
  if (window_lines_ > 0) step->window = std::make_unique<LogWindow>(window_lines_, terminal_columns - kWindowMargin);
  return by_digest_[digest] = step;
}

void Trace::NoteClock(int64_t started_ns, int64_t now_ns) {
  if (difference_ns_ == 0) difference_ns_ = SubtractNs(now_ns, started_ns);
}

void Trace::TakeVertex(const Vertex& vertex, int64_t now_ns, int terminal_columns) {
  Step* step = Find(vertex.digest());
  if (step == nullptr && (step = NewStep(vertex.digest(), terminal_columns)) == nullptr) return;
  if (vertex.has_started()) {
    auto told = told_.find(vertex.digest());
    if (SaysNews(vertex, told == told_.end() ? nullptr : &told->second)) {
      step->Changed(now_ns);
      changed_.insert(step);
    }
    told_[vertex.digest()] = vertex;
  }
  bool was_started = step->started();
  if (vertex.has_started() && !was_started) {
    NoteClock(*Start(vertex), now_ns);
    started_.push_back(step);
  }
  if (!was_started || vertex.has_started()) {  // a late first message resets nothing
    step->name = vertex.name();
    step->error = vertex.error();
    step->cached = vertex.cached();
  }
  if (vertex.has_started()) {
    step->runs[*Start(vertex)] = End(vertex);
    step->merged = Merge(step->runs);
  }
  step->rows_valid = false;
}

void Trace::TakeMember(const Vertex& vertex, int terminal_columns, std::vector<Group*>& seen) {
  const std::string& id = vertex.progressgroup().id();
  auto it = groups_.find(id);
  if (it == groups_.end()) {
    Step* step = NewStep(id, terminal_columns);
    if (step == nullptr) return;
    step->name = vertex.progressgroup().name();
    step->hidden = true;
    it = groups_.emplace(id, std::make_unique<Group>(Group{step, {}})).first;
  }
  Group& group = *it->second;
  if (std::find(seen.begin(), seen.end(), &group) == seen.end()) seen.push_back(&group);
  auto member = std::find_if(group.members.begin(), group.members.end(), [&](const Vertex& m) { return m.digest() == vertex.digest(); });
  if (member != group.members.end()) {
    *member = vertex;
  } else if (group.members.size() < kMaxTransfers) {
    group.members.push_back(vertex);
  }
  by_digest_[vertex.digest()] = group.step;
}

void Trace::TakeGroup(Group& group, int64_t now_ns) {
  Step& step = *group.step;
  bool was_started = step.started(), was_hidden = step.hidden, was_cached = step.cached, changed = false;
  std::string error = step.error;
  step.cached = true;
  for (const Vertex& member : group.members) {
    if (auto start = Start(member); start.has_value()) {
      auto run = step.runs.find(*start);
      changed = changed || run == step.runs.end() || run->second != End(member);
      step.runs[*start] = End(member);
      if (!member.progressgroup().weak()) step.hidden = false;
    }
    step.cached = step.cached && member.cached();
    if (step.error.empty()) {
      step.error = member.error();
    } else {
      step.hidden = false;
    }
  }
  step.merged = Merge(step.runs);
  if (step.started() && !was_started) NoteClock(*step.merged[0].start_ns, now_ns);
  if (step.hidden) return;
  if (was_hidden) started_.push_back(&step);
  if (changed || was_hidden || step.cached != was_cached || step.error != error) {
    step.Changed(now_ns);
    changed_.insert(&step);
  }
  step.rows_valid = false;
}

void Trace::TakeTransfer(const VertexStatus& status, int64_t now_ns) {
  Step* step = Find(status.vertex());
  if (step == nullptr) return;
  step->rows_valid = false;
  if (step->transfer_by_id.size() >= kMaxTransfers && !step->transfer_by_id.contains(status.id())) return;
  Transfer* transfer = &step->transfer_by_id[status.id()];
  if (status.has_started() && !transfer->started_ns.has_value() && step->transfers.size() < kMaxTransfers) step->transfers.push_back(transfer);
  transfer->id = status.id();
  transfer->current = status.current();
  transfer->total = status.total();
  transfer->time_ns = Nanoseconds(status.timestamp());
  transfer->started_ns = status.has_started() ? std::optional(Nanoseconds(status.started())) : std::nullopt;
  transfer->completed_ns = status.has_completed() ? std::optional(Nanoseconds(status.completed())) : std::nullopt;
  transfer->changed = true;
  changed_.insert(step);
  step->Changed(now_ns);
}

void Trace::AddLine(Step& step, std::string_view text, int64_t time_ns, bool continues) {
  if (continues && step.lines.back().size() + text.size() <= kMaxLineBytes) {
    step.lines.back() += text;
    step.line_bytes += text.size();
  } else {
    int64_t offset = step.started() ? SubtractNs(time_ns, *step.merged.back().start_ns) : 0;
    std::string& line = step.lines.emplace_back(LogTimeText(offset));
    line += ' ';
    line += text;
    step.line_bytes += line.size();
  }
  const size_t limit = step.window != nullptr ? kMaxLogBytes : kMaxWaitingBytes;
  while (step.line_bytes > limit && step.lines.size() > 1) {
    step.line_bytes -= std::min(step.line_bytes, step.lines.front().size());
    step.lines.pop_front();
    step.printed_of_line = 0;
  }
}

void Trace::TakeLog(const VertexLog& log, int64_t now_ns, int terminal_columns) {
  Step* step = Find(log.vertex());
  if (step == nullptr) return;
  step->rows_valid = false;
  if (step->window != nullptr) {
    FitWindows(step->window->height());
    step->window->Resize(window_lines_, terminal_columns - kWindowMargin);
    step->window->Write(log.msg());
    step->window_bytes += log.msg().size();
  }
  std::string_view rest = log.msg();
  bool open = true, first = true;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    open = end == std::string_view::npos;
    AddLine(*step, rest.substr(0, end), Nanoseconds(log.timestamp()), first && step->line_open && !step->lines.empty());
    first = false;
    if (open) break;
    rest.remove_prefix(end + 1);
  }
  step->line_open = open;
  changed_.insert(step);
  step->Changed(now_ns);
}

void Trace::Update(const StatusResponse& status, int64_t now_ns, int terminal_columns) {
  std::vector<Group*> groups;
  for (const Vertex& vertex : status.vertexes()) {
    if (!began_ns_.has_value()) began_ns_ = Start(vertex);
    if (vertex.has_progressgroup()) {
      TakeMember(vertex, terminal_columns, groups);
    } else {
      TakeVertex(vertex, now_ns, terminal_columns);
    }
  }
  for (Group* group : groups) TakeGroup(*group, now_ns);
  for (const VertexStatus& transfer : status.statuses()) TakeTransfer(transfer, now_ns);
  for (const auto& warning : status.warnings()) {
    Step* step = Find(warning.vertex());
    if (step == nullptr || step->warnings.size() >= kMaxWarnings) continue;
    step->warnings.push_back(warning.short_());
    step->Changed(now_ns);
    changed_.insert(step);  // the step may be over, and nothing else may come of it (the reference loses the warning then)
  }
  for (const VertexLog& log : status.logs()) TakeLog(log, now_ns, terminal_columns);
}

std::vector<Step*> Trace::Running() const {
  std::vector<Step*> running;
  for (Step* step : started_) {
    if (step->started() && !step->completed() && !step->hidden) running.push_back(step);
  }
  return running;
}

Trace::Count Trace::Steps() const {
  Count count;
  for (const auto& [digest, step] : by_digest_) {
    if (step->hidden) continue;
    count.total++;
    if (step->completed()) count.completed++;
  }
  return count;
}

std::optional<int64_t> Trace::began_ns() const { return began_ns_.has_value() ? std::optional(AddNs(*began_ns_, difference_ns_)) : std::nullopt; }

int Trace::FitWindows(int available) {
  window_lines_ = std::max(kMinWindowLines, std::min(wished_lines_, available - kMinWindowLines - 1));
  return window_lines_;
}

std::string Trace::ErrorBlocks(bool harmless) const {
  std::string out;
  auto line = [&](std::string_view text) {
    out += harmless ? Harmless(text) : std::string(text);
    out += '\n';
  };
  for (const Step* step : started_) {
    if (step->error.empty() || step->canceled()) continue;
    out += "------\n";
    line(" > " + step->name + ":");
    for (const std::string& text : step->lines) line(text);
    for (size_t n = 0; n < step->last_lines.size(); n++) {
      const auto& text = step->last_lines[(step->next_last_line + n) % step->last_lines.size()];
      if (text.has_value()) line(*text);
    }
    out += "------\n";
  }
  return out;
}

}  // namespace bk::client
