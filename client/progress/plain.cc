// The plain display. One step is the current one; a step that finished is printed at once, another running step gets its
// turn when the current one finished, when it waited for long, or when the current one had more than its share.
#include <algorithm>
#include <unordered_map>

#include "base/status.h"
#include "base/units.h"
#include "client/progress/printer.h"
#include "client/progress/trace.h"

namespace bk::client {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr double kTurnSeconds = 5;              // the least a step is current, if it is not alone
constexpr int64_t kMaxWaitNs = 10 * kSecond;    // a step waits for its turn
constexpr int64_t kMinTimeStepNs = 5 * kSecond; // between two lines of a transfer …
constexpr double kMinProgressStep = 0.05;       // … or this share of its total
constexpr size_t kCutBytes = 72;
constexpr int kColumns = 80;  // no matter: there are no windows

std::string Tail(const Transfer& t) {
  std::string text;
  if (t.total != 0) {
    text = StrCat(" ", FormatSize(t.current), " / ", FormatSize(t.total));
  } else if (t.current != 0) {
    text = StrCat(" ", FormatSize(t.current));
  }
  if (t.started_ns.has_value()) {
    double seconds = Seconds(SubtractNs(t.completed_ns.value_or(t.time_ns), *t.started_ns));
    if (seconds > 0.01) text += " " + DoneText(seconds);
  }
  return text;
}

class Plain : public Printer {
 public:
  Plain(Sink sink, const Settings& settings, std::string description)
      : sink_(std::move(sink)), cut_names_(settings.cut_names), description_(std::move(description)), trace_(0) {}

  void Take(const moby::buildkit::v1::StatusResponse& status, int64_t now_ns) override { trace_.Update(status, now_ns, kColumns); }
  void Draw(int64_t now_ns) override {
    PrintChanges(now_ns);
    Flush();
  }
  void End(int64_t now_ns) override {
    PrintChanges(now_ns);
    out_ += trace_.ErrorBlocks(false);
    Flush();
  }

 private:
  struct Printed {
    int64_t current, time_ns;
  };
  struct Share {
    int64_t wait_ns;
    double speed;
    bool waits_too_long;
  };

  void Flush() {
    if (!out_.empty()) sink_(out_);
    out_.clear();
  }
  template <typename... Parts>
  void Line(const Step& step, const Parts&... parts) {
    out_ += StrCat("#", step.index, " ", parts..., "\n");
  }

  void PrintChanges(int64_t now_ns);
  void PrintRunning(std::vector<Step*> running, Step* current, bool current_ended, int64_t now_ns);
  void Print(Step* step, int64_t now_ns);
  void Switch(Step& to);
  bool PrintTransfers(Step& step);  // true: one is not at its end
  void PrintLines(Step& step);
  void PrintEnd(Step& step, int64_t now_ns);

  Sink sink_;
  const bool cut_names_;
  const std::string description_;
  Trace trace_;
  std::string out_;
  Step* current_ = nullptr;
  int last_index_ = 0;
  bool anything_printed_ = false;
  // By id alone: steps that report the same transfer share the memory, as in the reference.
  std::unordered_map<std::string, Printed> printed_;
};

void Plain::Switch(Step& to) {
  if (current_ != nullptr) {
    if (current_->line_open) out_ += '\n';
    current_->printed_of_line = 0;
    current_->changes = 0;
    Line(*current_, "...");
  }
  if (anything_printed_) {
    out_ += '\n';
  } else if (!description_.empty()) {
    out_ += StrCat("#0 ", description_, "\n\n");
  }
  anything_printed_ = true;
  bool cut = cut_names_ && to.name.size() > kCutBytes;
  Line(to, cut ? to.name.substr(0, kCutBytes) + "..." : to.name);
}

bool Plain::PrintTransfers(Step& step) {
  bool open = false;
  for (const Transfer* t : step.transfers) {
    if (!t->changed) continue;
    auto before = printed_.find(t->id);
    if (before != printed_.end() && !t->completed_ns.has_value()) {
      double progress = t->total > 0 ? static_cast<double>(SubtractNs(t->current, before->second.current)) / static_cast<double>(t->total) : 0;
      if (progress < kMinProgressStep && SubtractNs(t->time_ns, before->second.time_ns) < kMinTimeStepNs) continue;
    }
    printed_[t->id] = {t->current, t->time_ns};
    Line(step, t->id, Tail(*t), t->completed_ns.has_value() ? " done" : "");
    open = open || !t->completed_ns.has_value();
  }
  for (Transfer* t : step.transfers) t->changed = false;
  return open;
}

void Plain::PrintLines(Step& step) {
  for (size_t n = 0; n < step.lines.size(); n++) {
    std::string text = step.lines[n];
    if (n == 0 && step.printed_of_line != 0) {
      text.erase(0, step.printed_of_line);
      out_ += text;
    } else {
      out_ += StrCat("#", step.index, " ", text);
    }
    if (n + 1 < step.lines.size() || !step.line_open) out_ += '\n';
    step.last_lines[step.next_last_line] = std::move(text);
    // Lines that come together with an open one take its place, as in the reference.
    if (!step.line_open) step.next_last_line = (step.next_last_line + 1) % step.last_lines.size();
  }
  if (step.lines.empty()) return;
  if (step.line_open) {
    step.lines.erase(step.lines.begin(), step.lines.end() - 1);
    step.printed_of_line = step.line_bytes = step.lines[0].size();
  } else {
    step.lines.clear();
    step.printed_of_line = step.line_bytes = 0;
  }
}

void Plain::PrintEnd(Step& step, int64_t now_ns) {
  step.changes = 0;
  if (step.line_open) out_ += '\n';
  if (step.canceled()) {
    Line(step, "CANCELED");
  } else if (!step.error.empty()) {
    Line(step, "ERROR: ", step.error);
  } else if (step.cached) {
    Line(step, "CACHED");
  } else {
    Line(step, "DONE", step.merged.empty() ? "" : " " + DoneText(TotalSeconds(step.merged, now_ns)));
  }
}

void Plain::Print(Step* step, int64_t now_ns) {
  if (step == nullptr) return;
  if (step->index == 0) step->index = ++last_index_;
  if (step != current_) Switch(*step);
  bool open = PrintTransfers(*step);  // of an imported cache: its step may be over already
  for (; step->warnings_printed < step->warnings.size(); step->warnings_printed++) Line(*step, "WARN: ", step->warnings[step->warnings_printed]);
  PrintLines(*step);
  current_ = step;
  if (step->completed() && !open) {
    current_ = nullptr;
    PrintEnd(*step, now_ns);
  }
  trace_.changed().erase(step);
}

void Plain::PrintChanges(int64_t now_ns) {
  std::vector<Step*> ended, running;
  for (Step* step : trace_.changed()) {
    if (!step->hidden) (step->completed() ? ended : running).push_back(step);
  }
  std::stable_sort(ended.begin(), ended.end(), [](const Step* a, const Step* b) { return *a->merged.back().stop_ns < *b->merged.back().stop_ns; });
  Step* const current = current_;
  bool current_ended = std::find(ended.begin(), ended.end(), current) != ended.end();
  if (current_ended) Print(current, now_ns);
  for (Step* step : ended) {
    if (step != current) Print(step, now_ns);
  }
  if (!running.empty()) return PrintRunning(std::move(running), current, current_ended, now_ns);
  if (current != nullptr && current->started() && !current->completed()) return;
  std::vector<Step*> open = trace_.Running();
  if (!open.empty()) Print(open[0], now_ns);
}

void Plain::PrintRunning(std::vector<Step*> running, Step* current, bool current_ended, int64_t now_ns) {
  if (std::find(running.begin(), running.end(), current) != running.end()) {
    Print(current, now_ns);
  } else if (current != nullptr) {
    running.push_back(current);
  }
  std::vector<std::pair<Step*, Share>> shares;
  double sum = 0;
  size_t next = 0;
  for (Step* step : running) {
    if (!step->waits_since_ns.has_value()) continue;
    int64_t wait = SubtractNs(now_ns, *step->waits_since_ns);
    Share share{wait, static_cast<double>(step->changes) / Seconds(wait), wait > kMaxWaitNs && step != current};
    sum += share.speed;
    if (shares.empty() || share.waits_too_long || shares[next].second.speed < share.speed) next = shares.size();
    shares.emplace_back(step, share);
  }
  if (shares.empty()) return;
  if (current_ended || current == nullptr) return Print(shares[next].first, now_ns);
  for (const auto& [step, share] : shares) {
    if (share.waits_too_long) return Print(step, now_ns);
  }
  for (const auto& [step, share] : shares) {
    if (step != current) continue;
    if (1.0 / (1.0 - share.speed / sum) * kTurnSeconds < Seconds(share.wait_ns)) Print(shares[next].first, now_ns);
    return;
  }
}

}  // namespace

std::unique_ptr<Printer> MakePlainPrinter(Sink sink, const Settings& settings, std::string description) {
  return std::make_unique<Plain>(std::move(sink), settings, std::move(description));
}

}  // namespace bk::client
