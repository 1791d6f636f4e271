#include "client/progress/rows.h"

#include <algorithm>

#include "base/status.h"
#include "base/units.h"
#include "client/progress/text.h"

namespace bk::client {
namespace {

constexpr int kWindowFrame = 3;      // rows that must be free beside a window's own
constexpr int kOtherRows = 2;        // header and cursor
constexpr int64_t kFrameBonus = 50;  // a window that was shown stays: a frame counts as so many bytes

std::optional<int64_t> Shifted(std::optional<int64_t> time, int64_t difference_ns) {
  return time.has_value() ? std::optional(AddNs(*time, difference_ns)) : std::nullopt;
}

// Newlines stay, as in the reference, which has its rows counted wrong by them.
std::string RowName(const Step& step) {
  std::string name = Harmless(step.name);
  std::replace(name.begin(), name.end(), '\t', ' ');
  return name;
}

Row StepRow(Step& step, int64_t difference_ns) {
  Row row;
  row.step = &step;
  row.intervals = Merge(step.runs, difference_ns);
  row.completed = std::all_of(step.runs.begin(), step.runs.end(), [](const auto& run) { return run.second.has_value(); });
  row.canceled = step.canceled();
  row.failed = !step.error.empty() && !row.canceled;
  row.name = StrCat(step.cached ? "CACHED " : "", row.canceled ? "CANCELED " : row.failed ? "ERROR " : "", RowName(step));
  return row;
}

Row TransferRow(const Transfer& transfer, int64_t difference_ns) {
  Row row;
  row.intervals = {{Shifted(transfer.started_ns, difference_ns), Shifted(transfer.completed_ns, difference_ns)}};
  row.completed = transfer.completed_ns.has_value();
  row.name = "=> " + Harmless(transfer.id);
  if (transfer.total != 0) {
    row.amount = StrCat(FormatSize(transfer.current), " / ", FormatSize(transfer.total));
  } else if (transfer.current != 0) {
    row.amount = FormatSize(transfer.current);
  }
  return row;
}

// Never completed, so never coloured; with the time of its step's last run.
Row WarningRow(const Step& step, const std::string& text, int64_t difference_ns) {
  Row row;
  Interval last = step.merged.empty() ? Interval{} : step.merged.back();
  row.intervals = {{Shifted(last.start_ns, difference_ns), Shifted(last.stop_ns, difference_ns)}};
  row.canceled = true;
  row.name = "WARN: " + Harmless(text);
  return row;
}

void MakeStepRows(Step& step, int64_t difference_ns) {
  step.rows.clear();
  step.rows.reserve(1 + step.transfers.size() + step.warnings.size());
  step.rows.push_back(StepRow(step, difference_ns));
  for (const Transfer* transfer : step.transfers) step.rows.push_back(TransferRow(*transfer, difference_ns));
  for (const std::string& text : step.warnings) step.rows.push_back(WarningRow(step, text, difference_ns));
  step.rows_valid = true;
}

// The last `limit` rows; if running ones are cut off, they take the place of finished ones.
std::vector<Row*> Wrap(const std::vector<Row*>& rows, int limit) {
  if (limit < 0) return {};
  if (rows.size() <= static_cast<size_t>(limit)) return rows;
  auto first = rows.end() - limit;
  std::vector<Row*> cut, kept;
  std::copy_if(rows.begin(), first, std::back_inserter(cut), [](const Row* row) { return !row->completed; });
  for (auto it = first; it != rows.end(); ++it) {
    bool replaceable = static_cast<size_t>(it - first) < cut.size();
    if (!replaceable || !(*it)->completed) kept.push_back(*it);
  }
  size_t room = static_cast<size_t>(limit) - kept.size();
  std::vector<Row*> fitting(cut.end() - static_cast<ptrdiff_t>(room), cut.end());
  fitting.insert(fitting.end(), kept.begin(), kept.end());
  return fitting;
}

}  // namespace

std::vector<Row*> MakeRows(Trace& trace) {
  std::vector<Row*> rows;
  for (Step* step : trace.started()) {
    if (!step->rows_valid) MakeStepRows(*step, trace.clock_difference_ns());
    for (Row& row : step->rows) rows.push_back(&row);
  }
  return rows;
}

std::vector<Row*> FitRows(Trace& trace, std::vector<Row*> rows, int terminal_rows, bool all) {
  std::vector<Row*> candidates;
  int free = terminal_rows - kOtherRows, hidden = 0;
  for (Row* row : rows) {
    if (row->completed) continue;
    free--;
    if (row->step != nullptr && row->step->window_bytes > 0) candidates.push_back(row);
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Row* a, const Row* b) {
    auto weight = [](const Step& step) { return static_cast<int64_t>(step.window_bytes) + step.frames_shown * kFrameBonus; };
    return weight(*a->step) > weight(*b->step);
  });
  int needed = trace.FitWindows(terminal_rows) + kWindowFrame;
  for (size_t n = 0; free > needed && n < candidates.size(); n++) {
    candidates[n]->show_window = true;
    hidden += candidates[n]->step->window->UsedHeight();
    free -= needed;
  }
  return all ? rows : Wrap(rows, terminal_rows - kOtherRows - hidden);
}

}  // namespace bk::client
