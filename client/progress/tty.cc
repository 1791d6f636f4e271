// The tty display. A redraw moves the cursor up over the last picture and writes the next one over it, in one write, with
// the cursor hidden; between redraws it stands below the picture, visible, so that a killed buildctl leaves nothing behind.
#include <algorithm>
#include <cstring>

#include "base/status.h"
#include "client/progress/printer.h"
#include "client/progress/rows.h"
#include "client/progress/text.h"
#include "client/progress/trace.h"

namespace bk::client {
namespace {

constexpr char kHide[] = "\x1b[?25l", kShow[] = "\x1b[?25h", kFirstColumn[] = "\x1b[0G";
constexpr char kFaint[] = "\x1b[2m", kPlain[] = "\x1b[0m";
constexpr char kPrefix[] = " => ", kLogPrefix[] = " => => # ";
constexpr int kMinAmountRoom = 20;  // columns of a row's name and amount below which the amount is left out
constexpr int kMinName = 12;        // columns below which a row is left out
constexpr int kWindowMargin = 10;

class Tty : public Printer {
 public:
  Tty(Sink sink, std::function<TerminalSize()> size, const Settings& settings, std::string phase, std::string description)
      : sink_(std::move(sink)),
        size_(std::move(size)),
        settings_(settings),
        phase_(std::move(phase)),
        description_(std::move(description)),
        trace_(settings.log_lines) {}

  void Take(const moby::buildkit::v1::StatusResponse& status, int64_t now_ns) override { trace_.Update(status, now_ns, size_().columns); }
  void Draw(int64_t now_ns) override { sink_(Picture(now_ns, false)); }
  void End(int64_t now_ns) override { sink_(Picture(now_ns, true) + trace_.ErrorBlocks(true)); }

 private:
  std::string Picture(int64_t now_ns, bool last);
  std::string Header(int64_t now_ns, int columns, bool last) const;
  // The lines of a row; "" if the terminal is too narrow for it.
  std::string Lines(Row& row, int64_t now_ns, int columns, int& line_count);
  const std::string& Color(const Row& row) const;

  Sink sink_;
  std::function<TerminalSize()> size_;
  const Settings settings_;
  const std::string phase_, description_;
  Trace trace_;
  int line_count_ = 0;  // of the last picture, without its header
  bool drawn_ = false;
};

std::string Tty::Header(int64_t now_ns, int columns, bool last) const {
  Trace::Count steps = trace_.Steps();
  bool finished = last && steps.completed > 0 && steps.completed == steps.total;
  std::string seconds = DoneText(Seconds(SubtractNs(now_ns, trace_.began_ns().value_or(now_ns))));
  std::string text = StrCat("[+] ", phase_, " ", seconds, " (", steps.completed, "/", steps.total, ") ", finished ? "FINISHED" : "");
  text = Align(text, description_, description_.empty() ? columns : columns - 1);
  return text.substr(0, static_cast<size_t>(columns)) + "\n";
}

const std::string& Tty::Color(const Row& row) const {
  static const std::string kNone;
  if (!row.completed) return kNone;
  return row.canceled ? settings_.cancel : row.failed ? settings_.error : settings_.run;
}

std::string Tty::Lines(Row& row, int64_t now_ns, int columns, int& line_count) {
  std::string timer = " " + TimerText(TotalSeconds(row.intervals, now_ns));
  int room = columns - static_cast<int>(std::strlen(kPrefix) + timer.size()) - 2, amount = static_cast<int>(row.amount.size());
  bool show_amount = amount > 0 && room + amount > kMinAmountRoom;
  if (show_amount) room -= amount + 1;
  if (room < kMinName) return "";
  std::string text = kPrefix + row.name.substr(0, static_cast<size_t>(room));
  if (show_amount) text += " " + row.amount;
  text = Align(text, timer, columns - 1) + "\n";
  if (const std::string& color = Color(row); !color.empty()) text = color + text + kPlain;
  line_count++;
  if (!row.show_window) return text;
  LogWindow& window = *row.step->window;
  window.Resize(trace_.window_lines(), columns - kWindowMargin);
  for (const std::string& line : window.Lines()) {
    text += StrCat(kFaint, kLogPrefix, line, "\n", kPlain);
    line_count++;
  }
  row.step->frames_shown++;
  row.show_window = false;
  return text;
}

std::string Tty::Picture(int64_t now_ns, bool last) {
  const TerminalSize size = size_();
  std::vector<Row*> rows = FitRows(trace_, MakeRows(trace_), size.rows, last);
  std::string out;
  for (int n = 0; n <= line_count_; n++) out += "\x1b[1A";
  if (!drawn_) out += "\x1b[1B";
  drawn_ = true;
  out += StrCat(kFirstColumn, kHide, Header(now_ns, size.columns, last));
  int line_count = 0;
  for (Row* row : rows) {
    if (!row->intervals.empty()) out += Lines(*row, now_ns, size.columns, line_count);
  }
  if (int left_over = line_count_ - line_count; left_over > 0) {
    for (int n = 0; n < left_over; n++) out += std::string(static_cast<size_t>(size.columns), ' ') + "\n";
    out += StrCat("\x1b[", left_over, "A", kFirstColumn);
  }
  line_count_ = line_count;
  return out + kShow;
}

}  // namespace

std::unique_ptr<Printer> MakeTtyPrinter(Sink sink, std::function<TerminalSize()> size, const Settings& settings, std::string phase,
                                        std::string description) {
  return std::make_unique<Tty>(std::move(sink), std::move(size), settings, std::move(phase), std::move(description));
}

}  // namespace bk::client
